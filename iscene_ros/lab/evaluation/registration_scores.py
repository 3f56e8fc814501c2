"""How far off the placement is, by what was spoilt."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from iscene_ros.core.scene import Mesh
from iscene_ros.lab.evaluation.registration_scenes import PlacementCase, Spoiling, draw_case
from iscene_ros.lab.evaluation.report import markdown_table
from iscene_ros.models.iscene.registration.register import register_scene
from iscene_ros.models.iscene.registration.result import RegisteredObject, Registration


@dataclass(frozen=True)
class PlacementScore:
    """One placed scene.

    Attributes:
        spoiling: what was spoilt.
        scale_error: relative; without depth of the camera's distance in edges of the cube.
        object_errors: distances of the placed objects' middles from the true ones [m].
        residual: of the scene [m].
        right, wrong: true and wrong shapes; right_refused, wrong_refused: of them.
        seconds: of the processor.
    """

    spoiling: Spoiling
    scale_error: float
    object_errors: tuple[float, ...]
    residual: float
    right: int
    wrong: int
    right_refused: int
    wrong_refused: int
    seconds: float


def placement_scores(scenes: int, seed: int) -> Iterator[PlacementScore | None]:
    """Every scene, spoilt in every way; None where a view does not lend itself to it."""
    for number in range(scenes):
        for spoiling in Spoiling:
            case = draw_case(seed, number, spoiling)
            yield None if case is None else score_case(case, spoiling)


def score_case(case: PlacementCase, spoiling: Spoiling) -> PlacementScore:
    """Place one scene and compare it with the truth."""
    started = time.process_time()
    placement = register_scene(case.shapes, case.observation, case.aligned_frame)
    seconds = time.process_time() - started
    rejected = {row for row, _ in placement.rejected}
    return PlacementScore(
        spoiling=spoiling,
        scale_error=_scale_error(placement, case),
        object_errors=tuple(
            _object_error(placed, placement, case)
            for placed in placement.objects
            if placed.row not in case.wrong
        ),
        residual=placement.residual_m,
        right=len(case.shapes) - len(case.wrong),
        wrong=len(case.wrong),
        right_refused=len(rejected - set(case.wrong)),
        wrong_refused=len(rejected & set(case.wrong)),
        seconds=seconds,
    )


def placement_report(scores: list[PlacementScore]) -> str:
    """A Markdown table, one line for each way of spoiling."""
    heading = "shapes and sensor|scenes|scale error [%]|90th percentile|within 1 % [%]"
    heading += (
        "|objects off [mm]|90th percentile|residual [mm]|true rejected|wrong rejected|time [s]"
    )
    lines = [heading.split("|")]
    for spoiling in Spoiling:
        members = [score for score in scores if score.spoiling is spoiling]
        if members:
            lines.append(_line(spoiling, members))
    return markdown_table(lines)


def _line(spoiling: Spoiling, scores: list[PlacementScore]) -> list[str]:
    scale = 100 * np.abs([s.scale_error for s in scores])
    off = 1000 * np.concatenate([s.object_errors for s in scores])
    residuals = [s.residual for s in scores if np.isfinite(s.residual)]
    cells = [spoiling.value, str(len(scores))]
    if spoiling is Spoiling.FOREIGN:
        cells += ["-"] * 6
    else:
        cells += [f"{np.median(scale):.2f}", f"{np.quantile(scale, 0.9):.2f}"]
        cells += [f"{100 * np.mean(scale < 1):.0f}"]
        cells += [f"{np.median(off):.1f}", f"{np.quantile(off, 0.9):.1f}"]
        cells += [f"{1000 * np.median(residuals):.1f}" if residuals else "-"]
    true, wrong = sum(s.right for s in scores), sum(s.wrong for s in scores)
    cells += [f"{sum(s.right_refused for s in scores)} of {true}"]
    cells += [f"{sum(s.wrong_refused for s in scores)} of {wrong}"]
    return [*cells, f"{np.mean([s.seconds for s in scores]):.2f}"]


def _scale_error(placement: Registration, case: PlacementCase) -> float:
    if placement.is_metric:
        return placement.similarity.scale / case.truth.scale - 1
    distance = np.linalg.norm(placement.similarity.translation) / placement.similarity.scale
    return float(distance * case.truth.scale / np.linalg.norm(case.truth.translation) - 1)


def _object_error(placed: RegisteredObject, placement: Registration, case: PlacementCase) -> float:
    factor = 1.0 if placement.is_metric else case.truth.scale / placement.similarity.scale
    shapes = {shape.row: shape.mesh for shape in case.shapes}
    true = {shape.row: shape.mesh for shape in case.unspoilt}
    found = factor * _middle(placed.similarity.to_aligned(shapes[placed.row].vertices))
    return float(np.linalg.norm(found - _middle(_true_points(true[placed.row], case))))


def _true_points(mesh_cube: Mesh, case: PlacementCase) -> np.ndarray:
    return case.truth.to_aligned(mesh_cube.vertices)


def _middle(points: np.ndarray) -> np.ndarray:
    return 0.5 * (points.min(axis=0) + points.max(axis=0))
