"""Data association: which completed object is which known one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from iscene_ros.core.scene import SceneObject

SAMPLES = 300
# Below so many vertices the triangles' centres are needed to stand for the surface.
LEAST_POINTS = 1000
# Surfaces agree within this share of the object's diagonal, and at least within 5 mm.
AGREEMENT, LEAST_AGREEMENT_M = 0.05, 0.005
LABEL_WEIGHT = POSITION_WEIGHT = 0.25
# Least share of the surfaces that agree for the same object; for one whose class has changed.
LEAST_OVERLAP, OTHER_CLASS_OVERLAP = 0.3, 0.5
SIZE_RATIO = 2.0


@dataclass(frozen=True)
class MatchCandidate:
    """An object to be matched.

    Attributes:
        item: completed object, in the frame of the map.
        tracker_id: its id at the tracker; "" where there is none.
    """

    item: SceneObject
    tracker_id: str

    @cached_property
    def points(self) -> np.ndarray:
        """(P, 3) float64 points on the surface [m]."""
        mesh, pose = self.item.mesh, self.item.frame_from_object
        points = mesh.vertices.astype(np.float64)
        if len(points) < LEAST_POINTS:
            points = np.concatenate([points, points[mesh.faces].mean(axis=1)])
        return points @ pose[:3, :3].T + pose[:3, 3]

    @cached_property
    def bounds(self) -> np.ndarray:
        """(2, 3) lowest and highest corner of the upright box around it [m]."""
        return np.array([self.points.min(axis=0), self.points.max(axis=0)])

    @cached_property
    def tree(self) -> cKDTree:
        """Search tree of the points."""
        return cKDTree(self.points, balanced_tree=False, compact_nodes=False)


# (index of the known object, index of the found one)
MayHaveMoved = Callable[[int, int], bool]


def associate(
    known: Sequence[MatchCandidate],
    found: Sequence[MatchCandidate],
    match_distance: float,
    may_have_moved: MayHaveMoved = lambda k, f: True,
) -> list[int | None]:
    """Return for each found object the index of the known one that it is, or None.

    A tracker id that exactly one object of each side has decides. Among the others the sum of shape
    overlap, class and closeness is largest; those whose tracker ids differ have to overlap, for a
    tracker that loses an object gives it a new id in its old place.

    Args:
        known, found: in one frame.
        match_distance: an object of the same class and size may have moved this far [m].
        may_have_moved: whether a known object may have moved to become the found one;
            called only for neighbours of one class and size neither of which agrees with another.
    """
    matches = _by_tracker([c.tracker_id for c in known], [c.tracker_id for c in found])
    taken = {index for index in matches if index is not None}
    free_known = [i for i in range(len(known)) if i not in taken]
    free_found = [i for i, match in enumerate(matches) if match is None]
    if not free_known or not free_found:
        return matches
    pairs = [[_Pair(known[k], found[f], match_distance) for k in free_known] for f in free_found]
    agree = np.array([[pair.agrees for pair in row] for row in pairs])
    scores = np.array([[pair.score if pair.agrees else 0.0 for pair in row] for row in pairs])
    # What has not moved explains most; only what is left on both sides may have.
    for row in np.flatnonzero(~agree.any(axis=1)):
        for column in np.flatnonzero(~agree.any(axis=0)):
            pair = pairs[row][column]
            if pair.is_near and may_have_moved(free_known[column], free_found[row]):
                scores[row, column] = pair.score
    for row, column in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
        if scores[row, column] > 0:
            matches[free_found[row]] = free_known[column]
    return matches


def _by_tracker(known: Sequence[str], found: Sequence[str]) -> list[int | None]:
    """Match by tracker ids; one that is used twice, as without a tracker, is ignored."""
    unique = {t for t in found if t and known.count(t) == found.count(t) == 1}
    return [known.index(t) if t in unique else None for t in found]


def shape_overlap(a: MatchCandidate, b: MatchCandidate) -> float:
    """Return the share of both surfaces that lies on the other one, in [0, 1]."""
    diagonal = min(np.linalg.norm(a.item.size), np.linalg.norm(b.item.size))
    tolerance = max(LEAST_AGREEMENT_M, AGREEMENT * float(diagonal))
    if not len(a.points) or not len(b.points):
        return 0.0
    if np.any(a.bounds[0] - tolerance > b.bounds[1]) or np.any(
        b.bounds[0] - tolerance > a.bounds[1]
    ):
        return 0.0
    of_a, of_b = _share_on(a, b, tolerance), _share_on(b, a, tolerance)
    return float(2 * of_a * of_b / max(of_a + of_b, 1e-9))


def _share_on(a: MatchCandidate, b: MatchCandidate, tolerance: float) -> float:
    """Return the share of the surface of `a` within a tolerance [m] of that of `b`."""
    points = a.points[:: max(1, len(a.points) // SAMPLES)]
    distance, _ = b.tree.query(points, distance_upper_bound=tolerance)
    return float(np.isfinite(distance).mean())


class _Pair:
    """A pair of a known and a found object.

    Attributes:
        agrees: whether their surfaces do.
        is_near: whether the known one, moved a little, may be the found one.
        score: how likely they are the same, comparable among pairs; positive.
    """

    def __init__(self, known: MatchCandidate, found: MatchCandidate, match_distance: float) -> None:
        a, b = known.item, found.item
        distance = float(np.linalg.norm(a.frame_from_object[:3, 3] - b.frame_from_object[:3, 3]))
        same_class = a.label == b.label
        overlap = shape_overlap(known, found)
        least = LEAST_OVERLAP if same_class else OTHER_CLASS_OVERLAP
        trackers = {known.tracker_id, found.tracker_id}
        distinguished = "" not in trackers and len(trackers) == 2
        closeness = np.exp(-distance / max(match_distance, LEAST_AGREEMENT_M))
        self.agrees = overlap >= least
        self.is_near = (
            same_class and not distinguished and distance <= match_distance and _similar_size(a, b)
        )
        bonus = LABEL_WEIGHT * same_class + POSITION_WEIGHT * closeness
        self.score = float(overlap + bonus) + 1e-6


def _similar_size(a: SceneObject, b: SceneObject) -> bool:
    ratio = np.linalg.norm(a.size) / max(float(np.linalg.norm(b.size)), 1e-9)
    return bool(1 / SIZE_RATIO <= ratio <= SIZE_RATIO)
