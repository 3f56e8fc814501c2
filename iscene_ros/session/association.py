"""Which completed object is which known one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from iscene_ros.scene import SceneObject

SAMPLES = 300
# Surfaces agree within this share of the object's diagonal, and at least within 5 mm.
AGREEMENT, LEAST_AGREEMENT_M = 0.05, 0.005
LABEL_WEIGHT = POSITION_WEIGHT = 0.25
# Of another class, the shape has to agree this well.
OTHER_CLASS_OVERLAP = 0.5
SIZE_RATIO = 2.0


@dataclass(frozen=True)
class Candidate:
    """An object to be matched.

    Attributes:
        item: its completion, in the frame of the world.
        tracker_id: what the tracker calls it; "" where there is none.
    """

    item: SceneObject
    tracker_id: str


@dataclass(frozen=True)
class MatchLimits:
    """What may be the same object.

    Attributes:
        overlap: least share of the surfaces that agree.
        distance: an object of the same class and size may have moved this far [m].
    """

    overlap: float
    distance: float


def associate(
    known: Sequence[Candidate], found: Sequence[Candidate], limits: MatchLimits
) -> list[int | None]:
    """For each found object the index of the known one that it is, or None.

    A tracker id decides where both sides have it. Among the others the sum of shape overlap, class
    and closeness is largest.
    """
    by_tracker = {c.tracker_id: i for i, c in enumerate(known) if c.tracker_id}
    matches = [by_tracker.pop(c.tracker_id, None) if c.tracker_id else None for c in found]
    taken = {index for index in matches if index is not None}
    free_known = [i for i in range(len(known)) if i not in taken]
    free_found = [i for i, match in enumerate(matches) if match is None]
    if not free_known or not free_found:
        return matches
    scores = np.array(
        [[_score(known[k].item, found[f].item, limits) for k in free_known] for f in free_found]
    )
    for row, column in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
        if scores[row, column] > 0:
            matches[free_found[row]] = free_known[column]
    return matches


def shape_overlap(a: SceneObject, b: SceneObject) -> float:
    """Share of both surfaces that lies on the other one, in [0, 1]; poses in one frame."""
    tolerance = max(
        LEAST_AGREEMENT_M, AGREEMENT * float(min(np.linalg.norm(a.size), np.linalg.norm(b.size)))
    )
    points_a, points_b = _vertices(a), _vertices(b)
    if not len(points_a) or not len(points_b):
        return 0.0
    of_a = np.mean(cKDTree(points_b).query(_thinned(points_a))[0] <= tolerance)
    of_b = np.mean(cKDTree(points_a).query(_thinned(points_b))[0] <= tolerance)
    return float(2 * of_a * of_b / max(of_a + of_b, 1e-9))


def _score(known: SceneObject, found: SceneObject, limits: MatchLimits) -> float:
    """Positive where both may be the same, larger where that is likelier."""
    distance = np.linalg.norm(known.frame_from_object[:3, 3] - found.frame_from_object[:3, 3])
    reach = 0.5 * (np.linalg.norm(known.size) + np.linalg.norm(found.size)) + limits.distance
    if distance > reach:
        return 0.0
    same_class = known.label == found.label
    overlap = shape_overlap(known, found)
    least = limits.overlap if same_class else max(limits.overlap, OTHER_CLASS_OVERLAP)
    moved = same_class and distance <= limits.distance and _similar_size(known, found)
    if overlap < least and not moved:
        return 0.0
    closeness = np.exp(-distance / max(limits.distance, LEAST_AGREEMENT_M))
    return float(overlap + LABEL_WEIGHT * same_class + POSITION_WEIGHT * closeness) + 1e-6


def _similar_size(a: SceneObject, b: SceneObject) -> bool:
    ratio = np.linalg.norm(a.size) / max(float(np.linalg.norm(b.size)), 1e-9)
    return bool(1 / SIZE_RATIO <= ratio <= SIZE_RATIO)


def _vertices(item: SceneObject) -> np.ndarray:
    pose = item.frame_from_object
    return item.mesh.vertices @ pose[:3, :3].T + pose[:3, 3]


def _thinned(points: np.ndarray) -> np.ndarray:
    return points[:: max(1, len(points) // SAMPLES)]
