"""Data association between the objects of the map and the instances of a frame.

It comes before the completion, so that what is known of an object takes part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from iscene_ros.geometry.camera_view import CameraView
from iscene_ros.session.evidence import AGREEING, contradiction
from iscene_ros.session.measurements import (
    MapObject,
    Measurement,
    has_similar_size,
    overlap,
)
from iscene_ros.session.rigid_motion import rigid_motion

# Likelihood that an object and an instance are one, in units of overlap.
LABEL_WEIGHT = POSITION_WEIGHT = 0.25
TRACKER_WEIGHT = 0.5
# Least overlap with an object in its place: of the same class, of another class, and without depth.
LEAST_OVERLAP, OTHER_CLASS_OVERLAP, LEAST_COVERED = 0.3, 0.7, 0.5
# An object in its place with so much overlap, or that shows what its evidence shows, has not become
# another instance of the frame.
SETTLED = 0.8
# A motion explains an instance from this overlap on; it counts less than staying in place.
EXPLAINED, MOTION_COST = 0.7, 0.1
# An object that may have moved, but whose new shape nothing explains (it fell over).
UNEXPLAINED = 0.1
# A removed object is recognised from this overlap on, as the view alone has to tell.
RECOGNISED = 0.85
LEAST_DISTANCE_M = 0.005


@dataclass(frozen=True)
class Match:
    """An object that an instance of a frame is.

    Attributes:
        index: of the known object; None for a new one.
        motion: (4, 4) rigid motion in the frame of the map that brought it here, or None.
    """

    index: int | None = None
    motion: np.ndarray | None = None


def associate(
    view: CameraView,
    known: Sequence[MapObject],
    measured: Sequence[Measurement],
    match_distance: float,
    turns: bool = True,
) -> tuple[list[Match], tuple[str, ...]]:
    """Return for each instance of a frame the known object that it is, and lines about tracker ids.

    Instances are matched so that the sum of overlap, class agreement, closeness and agreement of
    tracker ids is largest. Objects that are not in their place may have moved by `match_distance`
    [m] at most, with a tracker id farther, and turned about the map's z axis where `turns`. A
    tracker id is a hint: it counts less than an object that agrees in place, shape and class, which
    a line then says.
    """
    pairs = _Pairs(view, known, measured, match_distance, turns)
    chosen = [Match()] * len(measured)
    if known and measured:
        for row, column in zip(*linear_sum_assignment(pairs.scores, maximize=True), strict=True):
            if pairs.scores[row, column] > 0:
                chosen[row] = Match(int(column), pairs.motions.get((row, column)))
    return chosen, tuple(_overruled(known, measured, chosen))


def recognise(
    view: CameraView, lost: Sequence[MapObject], measured: Measurement, turns: bool = True
) -> Match:
    """Return the removed object that an instance is, wherever it is now.

    It is the one with the instance's tracker id; without, the only one of its class whose shape
    agrees. Where several do, nobody could tell, and the instance is a new object.
    """
    if measured.keyframe is None:
        return Match()
    found = []
    for index, candidate in enumerate(lost):
        both_have_ids = "" not in (candidate.tracked.tracker_id, measured.tracker_id)
        same_id = both_have_ids and candidate.tracked.tracker_id == measured.tracker_id
        same_class = candidate.tracked.item.label == measured.label
        if (both_have_ids and not same_id) or not (
            same_class and has_similar_size(candidate, measured) and len(candidate.points)
        ):
            continue
        motion, fit = rigid_motion(view, candidate, measured, turns)
        if fit >= (EXPLAINED if same_id else RECOGNISED):
            found.append((same_id, Match(index, motion)))
    certain = [match for same_id, match in found if same_id]
    if certain:
        return certain[0]
    return found[0][1] if len(found) == 1 else Match()


@dataclass
class _Pairs:
    """Scores of all pairs of instances (rows) and known objects (columns); 0 = no match.

    Attributes:
        scores: (S, K) float64.
        motions: of the pairs that match after a motion, by row and column.
    """

    view: CameraView
    known: Sequence[MapObject]
    measured: Sequence[Measurement]
    match_distance: float
    turns: bool
    scores: np.ndarray = field(init=False)
    motions: dict[tuple[int, int], np.ndarray] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        shape = len(self.measured), len(self.known)
        overlaps = np.array(
            [[overlap(self.view, k, s) for k in self.known] for s in self.measured], np.float64
        ).reshape(shape)
        self.same_class = _equal(
            [s.label for s in self.measured], [k.tracked.item.label for k in self.known]
        )
        self.same_id, self.other_id = _tracker_ids(
            [s.tracker_id for s in self.measured], [k.tracked.tracker_id for k in self.known]
        )
        least = np.where(self.same_class, LEAST_OVERLAP, OTHER_CLASS_OVERLAP)
        without_depth = np.array([s.keyframe is None for s in self.measured], bool)
        least[without_depth] = LEAST_COVERED
        agrees = overlaps >= least
        self.scores = np.zeros(shape)
        for row, column in np.argwhere(agrees):
            self.scores[row, column] = self._score(row, column, overlaps[row, column])
        settled = agrees & (overlaps >= SETTLED)
        for row, column in np.argwhere(agrees & ~settled):
            settled[row, column] = self._agrees_with_evidence(row, column)
        # Objects and instances that are settled with each other have not moved.
        self._add_moved(~settled.any(axis=1), ~settled.any(axis=0), overlaps)

    def _agrees_with_evidence(self, row: int, column: int) -> bool:
        """Return whether an instance shows what the kept view from nearest to the camera shows."""
        new, old = self.measured[row].keyframe, self.known[column].tracked.keyframes
        if new is None or not old:
            return True
        nearest = min(old, key=lambda k: float(np.linalg.norm(k.position - new.position)))
        share = contradiction(self.view, new, nearest, self.known[column].margin)
        return share is not None and share < AGREEING

    def _add_moved(self, rows: np.ndarray, columns: np.ndarray, overlaps: np.ndarray) -> None:
        """Add the pairs of unsettled instances and objects that match after a motion."""
        for column in np.flatnonzero(columns):
            for row in np.flatnonzero(rows):
                if self._may_have_moved(row, column):
                    self._add_motion(row, column, overlaps[row, column])
        for row, column in np.argwhere(self.same_id & (self.scores == 0)):
            if self.measured[row].keyframe is None:
                self.scores[row, column] = self._score(row, column, 0.0)

    def _may_have_moved(self, row: int, column: int) -> bool:
        known, measured = self.known[column], self.measured[row]
        if self.other_id[row, column] or measured.keyframe is None:
            return False
        if not self.same_id[row, column]:
            # The middle of what is seen of an object is no exact measure of its place.
            slack = 0.5 * known.diagonal
            near = self._distance(row, column) <= self.match_distance + slack
            if not (near and self.same_class[row, column] and has_similar_size(known, measured)):
                return False
        item = known.tracked.item
        missing = self.view.is_missing(known.surface, known.pose, item.size, measured.mask)
        return missing is True or (missing is None and bool(self.same_id[row, column]))

    def _add_motion(self, row: int, column: int, in_place: float) -> None:
        known, measured = self.known[column], self.measured[row]
        motion, fit = None, 0.0
        if has_similar_size(known, measured) and len(known.points):
            motion, fit = rigid_motion(self.view, known, measured, self.turns)
        distance = self._distance(row, column)
        if motion is not None and fit >= max(EXPLAINED, in_place + MOTION_COST):
            distance = float(np.linalg.norm((motion @ known.pose - known.pose)[:3, 3]))
        else:
            motion, fit = None, max(UNEXPLAINED, in_place)
        if distance > self.match_distance and not self.same_id[row, column]:
            return
        score = self._score(row, column, fit - MOTION_COST * (motion is not None))
        if score > self.scores[row, column]:
            self.scores[row, column] = score
            if motion is not None:
                self.motions[row, column] = motion

    def _score(self, row: int, column: int, fit: float) -> float:
        closeness = np.exp(
            -self._distance(row, column) / max(self.match_distance, LEAST_DISTANCE_M)
        )
        bonus = LABEL_WEIGHT * self.same_class[row, column] + POSITION_WEIGHT * closeness
        return float(fit + bonus + TRACKER_WEIGHT * self.same_id[row, column])

    def _distance(self, row: int, column: int) -> float:
        """Return how far an instance lies from where the object's near side was [m]."""
        known, measured = self.known[column], self.measured[row]
        if measured.keyframe is None:
            return 0.0
        near = self.view.near_side(known.surface, known.pose)
        middle = near.mean(axis=0) if len(near) else known.pose[:3, 3]
        return float(np.linalg.norm(measured.keyframe.center - middle))


def _equal(rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    """Return (R, C) bool, which texts are equal."""
    return np.array(rows, object)[:, None] == np.array(columns, object)[None]


def _tracker_ids(rows: Sequence[str], columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return (R, C) bool, which ids are the same and unique, and which are different ones."""
    unique_rows = np.array([bool(t) and rows.count(t) == 1 for t in rows], bool)
    unique_columns = np.array([bool(t) and columns.count(t) == 1 for t in columns], bool)
    equal = _equal(rows, columns)
    both = unique_rows[:, None] & unique_columns[None]
    return equal & both, ~equal & both


def _overruled(
    known: Sequence[MapObject], measured: Sequence[Measurement], matches: Sequence[Match]
) -> list[str]:
    """Return a line for each tracker id that is given twice, or to another object than before."""
    lines = []
    ids = [s.tracker_id for s in measured]
    owners = {k.tracked.tracker_id: k.tracked for k in known if k.tracked.tracker_id}
    for tracker_id in sorted({t for t in ids if t and ids.count(t) > 1}):
        lines.append(f"tracker id {tracker_id}: given to several instances; it is ignored")
    for tracker_id, match in zip(ids, matches, strict=True):
        owner = owners.get(tracker_id)
        if owner is None or ids.count(tracker_id) > 1 or match.index is None:
            continue
        matched = known[match.index].tracked
        if matched.id != owner.id:
            lines.append(
                f"tracker id {tracker_id}: was that of {owner.name}, but place and shape are "
                f"those of {matched.name}; the geometry counts"
            )
    return lines
