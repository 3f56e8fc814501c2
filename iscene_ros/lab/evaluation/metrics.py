"""Metrics of completed meshes against the truth.

IoU: intersection over union of the volumes, counted at the voxel centres of one grid over both.
Chamfer distance: (a + b) / 2 of a, the mean distance of points on the prediction to the true
surface, and b, that of points on the truth to the predicted surface.
F-score at t: harmonic mean of precision (share of points on the prediction within t of the true
surface) and recall (share of points on the truth within t of the predicted surface).
Points are spread evenly by area; distances are to surfaces, not to other points, so that equal
bodies have Chamfer distance 0 and F-score 1 whatever their size.
Box IoU: intersection over union of the axis-aligned bounding boxes.
Size error: mean absolute error of the extents along the principal axes of the true surface.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.lab.evaluation.bodies import Grid, ScoredBody
from iscene_ros.lab.synthetic.physics_shapes import joined_mesh

OBJECT_RESOLUTION = 64
SCENE_RESOLUTION = 160
THRESHOLDS_M = (0.005, 0.01)


@dataclass(frozen=True)
class Score:
    """Metrics of one body or one scene; a missing prediction has 0 and a NaN Chamfer distance.

    Attributes:
        iou, box_iou: Intersection over union in [0, 1].
        chamfer: Chamfer distance [m].
        f_5mm, f_10mm: F-scores in [0, 1].
        size_error: Size error [m]; NaN for a missing prediction, and for a scene.
    """

    iou: float = 0.0
    box_iou: float = 0.0
    chamfer: float = float("nan")
    f_5mm: float = 0.0
    f_10mm: float = 0.0
    size_error: float = float("nan")

    @property
    def is_missing(self) -> bool:
        """Whether there was no prediction."""
        return bool(np.isnan(self.chamfer))


@dataclass(frozen=True)
class SceneScore:
    """Metrics of the objects of a scene, and of all of them as one body."""

    objects: tuple[Score, ...]
    whole: Score


@dataclass(frozen=True)
class Summary:
    """Means over several scores; the chamfer [m] over those that are not missing."""

    count: int
    missing: int
    mean: Score


def score_object(predicted: ScoredBody | None, truth: ScoredBody) -> Score:
    """Return the metrics of one predicted body against the truth."""
    if predicted is None:
        return Score()
    iou = body_iou([predicted], [truth], OBJECT_RESOLUTION)
    score = _score(predicted, truth, iou, box_iou(predicted, truth))
    return replace(score, size_error=size_error(predicted, truth))


def score_surface(predicted: ScoredBody | None, truth: ScoredBody) -> Score:
    """Return the metrics of an open surface, which holds no volume: its IoU is NaN."""
    if predicted is None:
        return Score(iou=float("nan"))
    return _score(predicted, truth, float("nan"), box_iou(predicted, truth))


def score_scene(predicted: Sequence[ScoredBody | None], truths: Sequence[ScoredBody]) -> SceneScore:
    """Return the metrics of predicted bodies (None = missing) against as many true ones, in order.

    For the scene as a whole, volumes and surfaces are the unions over its objects; its box IoU is
    the mean over objects.
    """
    objects = tuple(score_object(p, t) for p, t in zip(predicted, truths, strict=True))
    present = [body for body in predicted if body is not None]
    if not present:
        return SceneScore(objects, Score())
    joined = ScoredBody(joined_mesh([body.mesh for body in present]))
    joined_truth = ScoredBody(joined_mesh([body.mesh for body in truths]))
    iou = body_iou(present, truths, SCENE_RESOLUTION)
    boxes = float(np.mean([score.box_iou for score in objects]))
    return SceneScore(objects, _score(joined, joined_truth, iou, boxes))


def _score(predicted: ScoredBody, truth: ScoredBody, iou: float, boxes: float) -> Score:
    """Return the distances of two surfaces beside their overlaps."""
    to_truth = truth.distance(predicted.samples)
    to_predicted = predicted.distance(truth.samples)
    return Score(
        iou=iou,
        box_iou=boxes,
        chamfer=0.5 * float(to_truth.mean() + to_predicted.mean()),
        f_5mm=f_score(to_truth, to_predicted, THRESHOLDS_M[0]),
        f_10mm=f_score(to_truth, to_predicted, THRESHOLDS_M[1]),
    )


def summary(scores: Iterable[Score]) -> Summary:
    """Return the mean of each metric; NaN throughout where there are no scores."""
    scores = list(scores)
    if not scores:
        nan = float("nan")
        return Summary(0, 0, Score(nan, nan, nan, nan, nan))
    present = [score.chamfer for score in scores if not score.is_missing]
    overlaps = [(s.iou, s.box_iou, s.f_5mm, s.f_10mm) for s in scores]
    iou, box, f_5mm, f_10mm = (float(np.mean(values)) for values in zip(*overlaps, strict=True))
    chamfer = float(np.mean(present)) if present else float("nan")
    mean = Score(iou, box, chamfer, f_5mm, f_10mm)
    return Summary(len(scores), len(scores) - len(present), mean)


def body_iou(
    predicted: Sequence[ScoredBody], truths: Sequence[ScoredBody], resolution: int
) -> float:
    """Return the intersection over union of two unions of bodies."""
    bodies = [*predicted, *truths]
    lower = np.min([body.lower for body in bodies], axis=0)
    upper = np.max([body.upper for body in bodies], axis=0)
    grid = Grid.around(lower, upper, resolution)
    first, second = _union(predicted, grid), _union(truths, grid)
    joint = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / joint) if joint else 0.0


def box_iou(first: ScoredBody, second: ScoredBody) -> float:
    """Return the intersection over union of two axis-aligned bounding boxes."""
    overlap = np.minimum(first.upper, second.upper) - np.maximum(first.lower, second.lower)
    shared = np.prod(np.maximum(overlap, 0))
    joint = np.prod(first.upper - first.lower) + np.prod(second.upper - second.lower) - shared
    return float(shared / joint) if joint > 0 else 0.0


def size_error(predicted: ScoredBody, truth: ScoredBody) -> float:
    """Return the mean absolute error of the extents along the truth's principal axes [m]."""
    centered = truth.samples - truth.samples.mean(axis=0)
    axes = np.linalg.eigh(centered.T @ centered)[1]
    extents = [np.ptp(body.mesh.vertices @ axes, axis=0) for body in (predicted, truth)]
    return float(np.abs(extents[0] - extents[1]).mean())


def f_score(to_truth: np.ndarray, to_predicted: np.ndarray, threshold: float) -> float:
    """Return the harmonic mean of precision and recall at a threshold [m]."""
    precision, recall = np.mean(to_truth <= threshold), np.mean(to_predicted <= threshold)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _union(bodies: Sequence[ScoredBody], grid: Grid) -> np.ndarray:
    inside = np.zeros(grid.shape, bool)
    for body in bodies:
        part, where = grid.part(body.lower, body.upper)
        if np.prod(part.shape):
            inside[where] |= body.inside(part)
    return inside
