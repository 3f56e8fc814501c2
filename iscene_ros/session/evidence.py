"""Evidence of one object: its keyframes, and what a new view does to them.

Every tracked object keeps a few views of itself, its keyframes, and is completed from all of them.

- A view is kept where it says something new: from another direction, from another place, or because
  it sees markedly more of the object than the kept views from about there (`chosen`).
- A new view contradicts a keyframe where one of them sees through what is surface in the other one
  (`contradiction`). Then the object has moved, and its keyframes move along if a rigid motion
  explains the new view (`carried`). Otherwise it has changed, and they are dropped: surfaces of
  different times are never averaged.
- A keyframe that alone contradicts, while the others agree with the new view, was wrong itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.core.keyframe import Keyframe
from iscene_ros.geometry.camera_view import CameraView, Sight, sights
from iscene_ros.geometry.point_registration import MotionLimits
from iscene_ros.session.measurements import MapObject, Measurement
from iscene_ros.session.rigid_motion import refined_motion, rigid_motion
from iscene_ros.session.settings import Settings

# A view that sees this much more of an object replaces one from about the same place.
MORE = 1.25
# Two views contradict each other where this share of what is surface in one is free in the other,
# of which at least this share of its points is judged; they agree where it is hardly any.
CONTRADICTED, AGREEING, LEAST_JUDGED = 0.3, 0.1, 0.2
# Views from about the same place show a small motion already by the first share, at a finer margin
# [m]; above the second the motion is none that is small.
SHIFTED, CHANGED, FINE_MARGIN_M = 0.12, 0.5, 0.005
# What was measured corrects a motion by no more than this: registration does not tell the two sides
# of a body apart.
SMALL = MotionLimits(translation=0.015, rotation=np.deg2rad(10.0))
# Smaller motions are errors of camera poses [m, rad].
LEAST_SHIFT_M, LEAST_TURN_RAD = 0.006, np.deg2rad(3.0)


def chosen(
    keyframes: tuple[Keyframe, ...], new: Keyframe, settings: Settings
) -> tuple[Keyframe, ...]:
    """Return the views to keep of some and a new one; the same tuple where it says nothing new."""
    if len(keyframes) > settings.keyframes:
        keyframes = keyframes[: settings.keyframes]
    if not keyframes:
        return (new,)
    views = [*keyframes, new]
    distances = _distances(views, settings)
    to_new = distances[-1, :-1]
    if to_new.min() > 1:
        kept = (*views,) if len(views) <= settings.keyframes else _without_least(views, distances)
        return kept if kept[-1] is new else keyframes
    if new.area > MORE * max(k.area for k, d in zip(keyframes, to_new, strict=True) if d <= 1):
        nearest = int(np.argmin(to_new))
        return (*(k for i, k in enumerate(keyframes) if i != nearest), new)
    return keyframes


def contradiction(view: CameraView, new: Keyframe, old: Keyframe, margin: float) -> float | None:
    """Return the share of what is surface in one of two views and free in the other, in [0, 1].

    None where neither view can see what the other one sees. The new view is one of the frame
    `view`; for `margin` [m] see `CameraView.sight`.
    """
    return contradictions(view, new.few, [old], margin)[0]


def contradictions(
    view: CameraView, seen: np.ndarray, old: Sequence[Keyframe], margin: float
) -> list[float | None]:
    """Return the `contradiction` of the `few` points that a new view sees with each of some."""
    images = [view, *(CameraView(k.view, k.map_from_camera) for k in old)]
    probes, back = [k.probes for k in old], [seen] * len(old)
    codes = sights(images, [np.concatenate(probes), *back], margin)
    shares = _free_shares(codes, np.array([len(sample) for sample in probes + back]))
    larger = np.fmax(*shares.reshape(2, len(old)))
    return [None if np.isnan(share) else float(share) for share in larger]


def carried(
    view: CameraView,
    known: MapObject,
    measured: Measurement,
    motion: np.ndarray | None,
    settings: Settings,
) -> tuple[np.ndarray | None, tuple[Keyframe, ...]]:
    """Return what is left of the evidence of a known object at a new view of it with depth.

    Args:
        motion: (4, 4) rigid motion that the association found, or None.

    Returns:
        The (4, 4) rigid motion of the object since its keyframes, or None; and the keyframes after
        the motion, the same tuple where nothing changed.
    """
    keyframes, new, margin = known.tracked.keyframes, measured.keyframe, known.margin
    if motion is None:
        right, wrong = _judged(view, new, keyframes, margin)
        share = _shifted_share(view, new, keyframes, settings)
        changed = share is not None and share > CHANGED
        if not wrong and not changed:
            return _after_shift(view, known, measured, settings)
        if len(right) > len(wrong) and not changed:
            return None, tuple(k for k in keyframes if not any(k is w for w in wrong))
        motion, _ = rigid_motion(view, known, measured)
    # It was found with the completed mesh; what was measured corrects it.
    reference = np.concatenate([k.points for k in keyframes])
    corrected = refined_motion(reference, new.points, motion, SMALL)
    motion = motion if corrected is None else corrected
    moved = tuple(k.moved(motion) for k in keyframes)
    _, wrong = _judged(view, new, moved, margin)
    return (None, ()) if wrong else (motion, moved)


def _after_shift(
    view: CameraView, known: MapObject, measured: Measurement, settings: Settings
) -> tuple[np.ndarray | None, tuple[Keyframe, ...]]:
    """Return the evidence after a motion that is too small for a contradiction, if there is one.

    Only views from the same side show it: what they measure is the same surface.
    """
    keyframes, new = known.tracked.keyframes, measured.keyframe
    unmoved = None, keyframes
    before = _shifted_share(view, new, keyframes, settings)
    if before is None or before < SHIFTED:
        return unmoved
    reference = np.concatenate([k.points for k in keyframes])
    motion = refined_motion(reference, new.points, np.eye(4), SMALL)
    if motion is None:
        return unmoved
    shift = motion[:3, :3] @ new.center + motion[:3, 3] - new.center
    turn = Rotation.from_matrix(motion[:3, :3]).magnitude()
    if np.linalg.norm(shift) <= LEAST_SHIFT_M and turn <= LEAST_TURN_RAD:
        return unmoved
    moved = tuple(k.moved(motion) for k in keyframes)
    after = _shifted_share(view, new, moved, settings)
    return (motion, moved) if after is not None and after < 0.5 * before else unmoved


def _shifted_share(
    view: CameraView, new: Keyframe, old: Sequence[Keyframe], settings: Settings
) -> float | None:
    """Return the contradiction, at the fine margin, with the keyframe from about the same place."""
    distances = _distances([*old, new], settings)[-1, :-1]
    nearest = int(np.argmin(distances))
    if distances[nearest] > 1:
        return None
    return contradiction(view, new, old[nearest], FINE_MARGIN_M)


def _judged(
    view: CameraView, new: Keyframe, old: Sequence[Keyframe], margin: float
) -> tuple[list[Keyframe], list[Keyframe]]:
    """Return the keyframes that agree with a new view, and those that contradict it."""
    right, wrong = [], []
    shares = contradictions(view, new.few, old, margin)
    for keyframe, share in zip(old, shares, strict=True):
        if share is not None and share > CONTRADICTED:
            wrong.append(keyframe)
        elif share is not None and share < AGREEING:
            right.append(keyframe)
    return right, wrong


def _free_shares(codes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return (S,) shares of surface points that are seen through; NaN where too few are judged.

    Hidden points count: from another side only the rim of a surface is seen, not hidden. `codes`
    are the `Sight` of the points of S samples, one after the other, `counts` their numbers.
    """
    rows = np.repeat(np.arange(len(counts)), counts)
    tally = np.bincount(len(Sight) * rows + codes, minlength=len(Sight) * len(counts))
    _, hidden, fits, free = tally.reshape(-1, len(Sight)).T
    judged = free + fits
    enough = judged >= np.maximum(1, LEAST_JUDGED * counts)
    return np.where(enough, free / np.maximum(judged + hidden, 1), np.nan)


def _distances(views: Sequence[Keyframe], settings: Settings) -> np.ndarray:
    """Return (K, K) how far views lie apart; above 1 they are different views."""
    positions = np.array([k.position for k in views])
    rays = positions - np.mean([k.center for k in views], axis=0)
    rays /= np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-9)
    angles = np.arccos(np.clip(rays @ rays.T, -1, 1))
    shifts = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    return np.maximum(angles / settings.keyframe_angle, shifts / settings.keyframe_distance)


def _without_least(views: list[Keyframe], distances: np.ndarray) -> tuple[Keyframe, ...]:
    """Return the views without one of the two closest: the newer one unless it sees more."""
    apart = distances + np.diag(np.full(len(views), np.inf))
    one, other = sorted(np.unravel_index(np.argmin(apart), apart.shape))
    dropped = one if views[other].area > MORE * views[one].area else other
    return tuple(k for i, k in enumerate(views) if i != dropped)
