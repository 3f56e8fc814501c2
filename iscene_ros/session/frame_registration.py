"""Correction of a frame's camera pose by what the map knows: poses are wrong by millimetres.

The frame is registered as a whole. Two sides of one object alone could be laid onto one another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iscene_ros.core.keyframe import Keyframe
from iscene_ros.geometry.camera_view import CameraView
from iscene_ros.geometry.point_registration import MotionLimits, register_points
from iscene_ros.session.evidence import contradictions

# Points of the frame and of the map that are registered, at most.
FRAME_POINTS, MAP_POINTS = 1500, 3000
# A larger error is none that registration should hide.
LIMITS = MotionLimits(translation=0.015, rotation=np.deg2rad(1.5))


# A wrong registration shows in what one view sees through of the other, beyond this distance [m].
MARGIN_M = 0.01


def registered(
    view: CameraView, shown: Sequence[tuple[Keyframe, tuple[Keyframe, ...]]]
) -> np.ndarray | None:
    """Return the motion that lays a frame onto kept views of the objects that it shows.

    Args:
        view: the frame.
        shown: of objects in their places, the frame's view and the kept ones.

    Returns:
        (4, 4) rigid in the frame of the map; None where nothing holds it, or it helps nothing.
    """
    if not shown:
        return None
    kept = [k for _, views in shown for k in views]
    motion = register_points(
        _points([new for new, _ in shown], FRAME_POINTS), _points(kept, MAP_POINTS), LIMITS
    )
    if motion is None:
        return None
    moved = CameraView(view.observation, motion @ view.frame_from_camera)
    after = _disagreement(moved, motion, shown)
    return motion if after < _disagreement(view, np.eye(4), shown) else None


def _disagreement(
    view: CameraView,
    motion: np.ndarray,
    shown: Sequence[tuple[Keyframe, tuple[Keyframe, ...]]],
) -> float:
    """Return the mean contradiction of a frame's views after a motion with the kept ones."""
    rotation, shift = motion[:3, :3], motion[:3, 3]
    seen = [(new.few @ rotation.T + shift, views) for new, views in shown]
    shares = [s for few, views in seen for s in contradictions(view, few, views, MARGIN_M)]
    judged = [share for share in shares if share is not None]
    return float(np.mean(judged)) if judged else 0.0


def _points(views: Sequence[Keyframe], most: int) -> np.ndarray:
    """Return (M, 3) points of objects and of what is beside them [m]."""
    points = np.concatenate([part for k in views for part in (k.probes, k.surroundings)])
    return points[:: max(1, -(-len(points) // most))]
