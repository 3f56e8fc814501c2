"""Scores of completions with and without twins, of equal packs in rows and of other scenes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.lab.evaluation.bodies import ScoredBody
from iscene_ros.lab.evaluation.metrics import Score, score_object
from iscene_ros.lab.evaluation.reports import print_report
from iscene_ros.lab.evaluation.results import score_table
from iscene_ros.lab.evaluation.scenes import MIN_READINGS, EvaluationOptions, true_body_camera
from iscene_ros.lab.synthetic.pack_rows import rows_of_packs
from iscene_ros.lab.synthetic.scene_views import SceneView, draw_view, look_at_scene
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps
from iscene_ros.preprocess.twins import find_twins

ROWS, OTHERS = "rows of equal packs", "other scenes"
ALONE, TWINS = "alone", "with twins"


@dataclass(frozen=True)
class TwinScore:
    """Metrics of one object, completed without and with twins.

    Attributes:
        has_twin, is_false: Whether a twin was found, and one of another shape.
        alone, together: Metrics without and with twins.
    """

    has_twin: bool
    is_false: bool
    alone: Score
    together: Score


@dataclass(frozen=True)
class TwinScene:
    """The scores of one scene.

    Attributes:
        kind: `ROWS` or `OTHERS`.
        objects: Those with enough depth.
        seconds: Processor time of the search [s].
    """

    kind: str
    objects: tuple[TwinScore, ...]
    seconds: float


def evaluate_twins(completer: SceneCompleter, options: EvaluationOptions, out: Path) -> None:
    """Score the scenes, print the report, and write it into a folder."""
    scenes = tqdm(twin_scenes(completer, options), total=2 * options.scenes, unit="scene")
    scored = list(scenes)
    if not scored:
        raise InputError(f"evaluate twins: nothing in {options.scenes} scenes: take more")
    print_report(out / "twins.md", twin_report(scored))


def twin_scenes(completer: SceneCompleter, options: EvaluationOptions) -> Iterator[TwinScene]:
    """Score so many rows of packs, and so many other scenes."""
    for kind in (ROWS, OTHERS):
        for number in range(options.scenes):
            rng = np.random.default_rng([options.seed, number])
            samples = options.samples()
            if kind == ROWS:
                view = look_at_scene(rows_of_packs(rng), rng, samples).view()
            else:
                view = draw_view(rng, samples)
            yield _score_scene(completer, kind, view)


def twin_report(scenes: Sequence[TwinScene]) -> str:
    """Return the means with and without twins as Markdown, and how many twins are false."""
    rows = []
    for scene in scenes:
        for scored in scene.objects:
            objects = "has a twin" if scored.has_twin else "has none"
            rows.append(((scene.kind, objects, ALONE), scored.alone))
            rows.append(((scene.kind, objects, TWINS), scored.together))
    lines = [score_table(["scenes", "object", "completed"], rows)]
    for kind in (ROWS, OTHERS):
        members = [scene for scene in scenes if scene.kind == kind]
        scored = [scored for scene in members for scored in scene.objects]
        lines.append(
            f"{kind}: twins of {sum(s.has_twin for s in scored)} of {len(scored)} objects, "
            f"{sum(s.is_false for s in scored)} false; mean "
            f"{np.mean([scene.seconds for scene in members]):.2f} s, longest "
            f"{max(scene.seconds for scene in members):.2f} s of processor time a scene\n"
        )
    return "\n".join(lines)


def _score_scene(completer: SceneCompleter, kind: str, view: SceneView) -> TwinScene:
    readings = np.count_nonzero(view.observation.masks & (view.observation.depth > 0), axis=(1, 2))
    rows = np.flatnonzero(readings >= MIN_READINGS)
    started = time.process_time()
    observation = resolve_mask_overlaps(view.observation)
    aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    better_row = {twin.row: twin.better_row for twin in find_twins(observation, aligned_frame)}
    seconds = time.process_time() - started
    alone = _scores(completer, view, rows)
    together = alone
    if better_row:
        together = _scores(SceneCompleter(completer.shapes, False, twins=True), view, rows)
    objects = []
    for row, first, second in zip(rows, alone, together, strict=True):
        other = better_row.get(row, row)
        is_false = view.truths[row].solid is not view.truths[other].solid
        objects.append(TwinScore(row in better_row, is_false, first, second))
    return TwinScene(kind, tuple(objects), seconds)


def _scores(completer: SceneCompleter, view: SceneView, rows: np.ndarray) -> list[Score]:
    scene = completer.complete(view.observation)
    camera_from_frame = np.linalg.inv(scene.frame_from_camera)
    meshes = {
        item.id: item.mesh.transformed(camera_from_frame @ item.frame_from_object)
        for item in scene.objects
    }
    scores = []
    for row in rows:
        mesh = meshes.get(view.observation.instance_ids[row])
        body = None if mesh is None else ScoredBody(mesh)
        scores.append(score_object(body, true_body_camera(view.truths[row])))
    return scores
