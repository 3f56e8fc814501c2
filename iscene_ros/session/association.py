"""Data association between the objects of the map and the completed objects of a frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from iscene_ros.core.scene import SceneObject

SAMPLES = 300
# Meshes with fewer vertices are represented by the centres of their triangles, too.
LEAST_POINTS = 1000
# Surfaces agree within this share of the object's diagonal, and at least within 5 mm.
AGREEMENT, LEAST_AGREEMENT_M = 0.05, 0.005
LABEL_WEIGHT = POSITION_WEIGHT = 0.25
# Least overlap of one object with the same class, and with another class.
LEAST_OVERLAP, OTHER_CLASS_OVERLAP = 0.3, 0.5
SIZE_RATIO = 2.0


@dataclass(frozen=True)
class MatchCandidate:
    """An object to be matched.

    Attributes:
        item: completed object, in the frame of the map.
        tracker_id: id that the external tracker gave to it; "" where there is none.
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


# (index of a tracked object, index of a detected one)
MayHaveMoved = Callable[[int, int], bool]


def associate(
    tracked: Sequence[MatchCandidate],
    detected: Sequence[MatchCandidate],
    match_distance: float,
    may_have_moved: MayHaveMoved,
) -> list[int | None]:
    """Return for each detected object the index of the tracked one that it is, or None.

    Objects are matched by a tracker id if exactly one object of each side has it. The others are
    matched so that the sum of shape overlap, class agreement and closeness is largest. Objects with
    different tracker ids match only where their surfaces overlap: a tracker that loses an object
    gives it a new id in its old place.

    Args:
        tracked: objects of the map.
        detected: objects of the frame, in the coordinate frame of the map.
        match_distance: largest displacement of an object of the same class and size [m].
        may_have_moved: returns whether a tracked object may have moved to become a detected one;
            called only for pairs of one class and a similar size within `match_distance`, neither
            of which overlaps with another object.
    """
    matches = _by_tracker([c.tracker_id for c in tracked], [c.tracker_id for c in detected])
    taken = {index for index in matches if index is not None}
    free_tracked = [i for i in range(len(tracked)) if i not in taken]
    free_detected = [i for i, match in enumerate(matches) if match is None]
    if not free_tracked or not free_detected:
        return matches
    pairs = [
        [_Pair(tracked[k], detected[f], match_distance) for k in free_tracked]
        for f in free_detected
    ]
    agree = np.array([[pair.agrees for pair in row] for row in pairs])
    scores = np.array([[pair.score if pair.agrees else 0.0 for pair in row] for row in pairs])
    # Objects without overlap on either side are the only ones that may have moved.
    for row in np.flatnonzero(~agree.any(axis=1)):
        for column in np.flatnonzero(~agree.any(axis=0)):
            pair = pairs[row][column]
            if pair.is_near and may_have_moved(free_tracked[column], free_detected[row]):
                scores[row, column] = pair.score
    for row, column in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
        if scores[row, column] > 0:
            matches[free_detected[row]] = free_tracked[column]
    return matches


def _by_tracker(tracked: Sequence[str], detected: Sequence[str]) -> list[int | None]:
    """Match by tracker ids; empty ids and ids that are used twice are ignored."""
    unique = {t for t in detected if t and tracked.count(t) == detected.count(t) == 1}
    return [tracked.index(t) if t in unique else None for t in detected]


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
    """A pair of a tracked and a detected object.

    Attributes:
        agrees: whether the surfaces overlap enough for one object.
        is_near: whether the tracked object may be the detected one after a small motion.
        score: likelihood that both are one object; positive, comparable between pairs.
    """

    def __init__(
        self, tracked: MatchCandidate, detected: MatchCandidate, match_distance: float
    ) -> None:
        a, b = tracked.item, detected.item
        distance = float(np.linalg.norm(a.frame_from_object[:3, 3] - b.frame_from_object[:3, 3]))
        same_class = a.label == b.label
        overlap = shape_overlap(tracked, detected)
        least = LEAST_OVERLAP if same_class else OTHER_CLASS_OVERLAP
        trackers = {tracked.tracker_id, detected.tracker_id}
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
