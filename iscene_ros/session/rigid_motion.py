"""The rigid motion that lays a known object onto what a frame shows of it.

Objects mostly turn about the vertical: many yaw angles are tried, with another side of the box down
only where no yaw fits. The best motion is refined by `geometry.point_registration`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.geometry.camera_view import CameraView
from iscene_ros.geometry.point_registration import MotionLimits, register_points
from iscene_ros.session.measurements import MapObject, Measurement, overlap

YAWS = 24
PROBES = 100
COARSE_TOLERANCE_M = 0.01
# Candidates of the coarse search that are compared exactly.
CANDIDATES = 3
# A turn by half a circle has to fit better by this than no turn: a round object does not turn. So
# has an object that fell over.
TURN_COST = 0.1
# Rotations about its own axes of an object that lies on another side of its box. Upside down is not
# among them: a can that was pushed fits so, too, and its views would come from below the table.
SIDES = [Rotation.from_euler("x", angle, degrees=True) for angle in (90, -90)]
SIDES += [Rotation.from_euler("y", angle, degrees=True) for angle in (90, -90)]
# What overlaps less after the coarse search is no motion of the object; what overlaps less after
# the refinement may have fallen over.
WORTH_REFINING, FITTING = 0.5, 0.95
# The coarse search is this far from the right motion at most.
REFINEMENT = MotionLimits(translation=0.04, rotation=np.deg2rad(25.0))


def rigid_motion(
    view: CameraView, known: MapObject, measured: Measurement, turns: bool = True
) -> tuple[np.ndarray, float]:
    """Return the (4, 4) rigid motion in the frame of the map that explains an instance best.

    The object has surface points and the instance depth. Where `turns`, it may have turned about
    the map's z axis, also onto another side of its box. The second value is the overlap after the
    motion, in [0, 1].
    """
    yaws = [_yaw(step) for step in range(YAWS if turns else 1)]
    found = _best_motion(view, known, measured, yaws)
    if found[1] >= FITTING or not turns:
        return found
    map_from_object = Rotation.from_matrix(known.pose[:3, :3])
    tips = [map_from_object * side * map_from_object.inv() for side in SIDES]
    tipped = [(yaw * tip, TURN_COST) for tip in tips for yaw, _ in yaws]
    return max(found, _best_motion(view, known, measured, tipped), key=lambda pair: pair[1])


def _yaw(step: int) -> tuple[Rotation, float]:
    """Return a turn about the vertical and its cost."""
    angle = (step * 2 * np.pi / YAWS + np.pi) % (2 * np.pi) - np.pi
    return Rotation.from_euler("z", angle), TURN_COST * abs(angle) / np.pi


def _best_motion(
    view: CameraView,
    known: MapObject,
    measured: Measurement,
    turns: Sequence[tuple[Rotation, float]],
) -> tuple[np.ndarray, float]:
    """Return the motion by one of the turns that explains an instance best, and its overlap."""
    candidates = _coarse(view, known, measured, turns)
    scored = [(m, overlap(view, known, measured, m) - cost) for m, cost in candidates]
    best, score = max(scored, key=lambda pair: pair[1])
    refined = None
    if score >= WORTH_REFINING:
        refined = refined_motion(known.points, measured.keyframe.probes, best)
    if refined is not None:
        refined_score = overlap(view, known, measured, refined)
        if refined_score >= score - TURN_COST:
            return refined, refined_score
    return best, overlap(view, known, measured, best)


def refined_motion(
    reference: np.ndarray,
    points: np.ndarray,
    motion: np.ndarray,
    limits: MotionLimits = REFINEMENT,
) -> np.ndarray | None:
    """Return a motion (4, 4) corrected by registration, or None where nothing holds it.

    Args:
        reference: (P, 3) points of the object before its motion [m].
        points: (M, 3) of the instance [m].
        limits: the largest correction.
    """
    moved = reference @ motion[:3, :3].T + motion[:3, 3]
    moved_from_seen = register_points(points, moved, limits)
    return None if moved_from_seen is None else np.linalg.inv(moved_from_seen) @ motion


def _coarse(
    view: CameraView,
    known: MapObject,
    measured: Measurement,
    turns: Sequence[tuple[Rotation, float]],
) -> list[tuple[np.ndarray, float]]:
    """Return the motions whose surfaces fit best, each with the cost of its turn."""
    points = measured.keyframe.points
    probes = points[:: max(1, len(points) // PROBES)]
    scored = []
    for number, (turn, cost) in enumerate(turns):
        motion = _placed(view, known, points, turn)
        pose = motion @ known.pose
        local = (probes - pose[:3, 3]) @ pose[:3, :3]
        fit = known.surface.share_on(local, COARSE_TOLERANCE_M) - cost
        scored.append((fit, number, motion, cost))
    scored.sort(key=lambda entry: (-entry[0], entry[1]))
    return [(motion, cost) for _, _, motion, cost in scored[:CANDIDATES]]


def _placed(view: CameraView, known: MapObject, points: np.ndarray, turn: Rotation) -> np.ndarray:
    """Return the motion that turns an object and lays its near side's middle onto that of points.

    The middle of what a camera sees of an object depends on how the object is turned.
    """
    motion = np.eye(4)
    motion[:3, :3] = turn.as_matrix()
    center = known.pose[:3, 3]
    motion[:3, 3] = points.mean(axis=0) - motion[:3, :3] @ center
    near = view.near_side(known.surface, motion @ known.pose)
    if len(near):
        motion[:3, 3] += points.mean(axis=0) - near.mean(axis=0)
    return motion
