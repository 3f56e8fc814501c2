"""Errors of the registration by perturbation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from iscene_ros.lab.evaluation.registration_scenes import Perturbation, RegistrationCase, draw_case
from iscene_ros.lab.evaluation.reports import markdown_table
from iscene_ros.models.iscene.registration.register import register_scene
from iscene_ros.models.iscene.registration.result import RegisteredObject, Registration

HEADINGS = (
    "shapes and sensor|scenes|scale error [%]|90th percentile|within 1 % [%]|objects off [mm]"
    "|90th percentile|residual [mm]|true rejected|wrong rejected|time [s]"
)


@dataclass(frozen=True)
class RegistrationScore:
    """Errors of one registered scene.

    Attributes:
        perturbation: What was perturbed.
        scale_error: Relative error of the scale; without depth, of the camera's distance in edges
            of the cube.
        object_errors: Distances of the registered objects' box centres from the true ones [m].
        residual: Residual of the scene [m].
        right, wrong: Numbers of true and of wrong shapes.
        right_rejected, wrong_rejected: Numbers of these that were rejected.
        seconds: Processor time [s].
    """

    perturbation: Perturbation
    scale_error: float
    object_errors: tuple[float, ...]
    residual: float
    right: int
    wrong: int
    right_rejected: int
    wrong_rejected: int
    seconds: float


def registration_scores(scenes: int, seed: int) -> Iterator[RegistrationScore | None]:
    """Score every scene with every perturbation; None where a view does not allow it."""
    for number in range(scenes):
        for perturbation in Perturbation:
            case = draw_case(seed, number, perturbation)
            yield None if case is None else score_case(case, perturbation)


def score_case(case: RegistrationCase, perturbation: Perturbation) -> RegistrationScore:
    """Register one scene and compare it with the truth."""
    started = time.process_time()
    registration = register_scene(case.shapes, case.observation, case.aligned_frame)
    seconds = time.process_time() - started
    rejected = {row for row, _ in registration.rejected}
    return RegistrationScore(
        perturbation=perturbation,
        scale_error=_scale_error(registration, case),
        object_errors=tuple(
            _object_error(registered, registration, case)
            for registered in registration.objects
            if registered.row not in case.wrong
        ),
        residual=registration.residual_m,
        right=len(case.shapes) - len(case.wrong),
        wrong=len(case.wrong),
        right_rejected=len(rejected - set(case.wrong)),
        wrong_rejected=len(rejected & set(case.wrong)),
        seconds=seconds,
    )


def registration_report(scores: list[RegistrationScore]) -> str:
    """Return a Markdown table with one line a perturbation."""
    lines = [HEADINGS.split("|")]
    for perturbation in Perturbation:
        members = [score for score in scores if score.perturbation is perturbation]
        if members:
            lines.append(_line(perturbation, members))
    return markdown_table(lines)


def _line(perturbation: Perturbation, scores: list[RegistrationScore]) -> list[str]:
    scale = 100 * np.abs([s.scale_error for s in scores])
    off = 1000 * np.concatenate([s.object_errors for s in scores])
    residuals = [s.residual for s in scores if np.isfinite(s.residual)]
    cells = [perturbation.value, str(len(scores))]
    if perturbation is Perturbation.OTHER_SCENE:
        cells += ["-"] * 6
    else:
        cells += [f"{np.median(scale):.2f}", f"{np.quantile(scale, 0.9):.2f}"]
        cells += [f"{100 * np.mean(scale < 1):.0f}"]
        cells += [f"{np.median(off):.1f}", f"{np.quantile(off, 0.9):.1f}"]
        cells += [f"{1000 * np.median(residuals):.1f}" if residuals else "-"]
    true, wrong = sum(s.right for s in scores), sum(s.wrong for s in scores)
    cells += [f"{sum(s.right_rejected for s in scores)} of {true}"]
    cells += [f"{sum(s.wrong_rejected for s in scores)} of {wrong}"]
    return [*cells, f"{np.mean([s.seconds for s in scores]):.2f}"]


def _scale_error(registration: Registration, case: RegistrationCase) -> float:
    if registration.is_metric:
        return registration.similarity.scale / case.truth.scale - 1
    distance = np.linalg.norm(registration.similarity.translation) / registration.similarity.scale
    return float(distance * case.truth.scale / np.linalg.norm(case.truth.translation) - 1)


def _object_error(
    registered: RegisteredObject, registration: Registration, case: RegistrationCase
) -> float:
    factor = 1.0 if registration.is_metric else case.truth.scale / registration.similarity.scale
    shape, true = case.shapes[registered.row], case.unperturbed[registered.row]
    found = factor * _middle(registered.similarity.to_aligned(shape.mesh.vertices))
    return float(np.linalg.norm(found - _middle(case.truth.to_aligned(true.mesh.vertices))))


def _middle(points: np.ndarray) -> np.ndarray:
    return 0.5 * (points.min(axis=0) + points.max(axis=0))
