"""Views of single instances: cut out of an observation, they are the evidence of further looks."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.depth_cleaning import clean_observation
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

# Room around the mask, as a share of its longer side: the free space beside an object is evidence.
ROOM_AROUND = 0.3


def instance_views(observation: Observation) -> dict[int, Observation]:
    """Return a view of each instance with a pixel of its own, by id; the observation has a pose."""
    observation = resolve_mask_overlaps(observation.rectified())
    aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    cleaned = clean_observation(observation, aligned_frame).observation
    return {
        instance_id: cropped_view(cleaned, instance_id)
        for instance_id, mask in zip(cleaned.instance_ids, cleaned.masks, strict=True)
        if mask.any()
    }


def cropped_view(
    observation: Observation, instance_id: int, largest_side: int | None = None
) -> Observation:
    """Return the part of a rectified observation that shows one instance and what is beside it.

    The view has the instance under its id, and all others as one further mask. It has no colours.

    Args:
        observation: clean, with masks that do not overlap.
        instance_id: instance with at least one pixel.
        largest_side: every n-th pixel is taken so that neither side is longer [pixels]; None = all.
    """
    row = observation.instance_ids.index(instance_id)
    own = observation.masks[row]
    rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
    room = 4 + int(ROOM_AROUND * max(np.ptp(rows), np.ptp(columns)))
    top, left = max(rows.min() - room, 0), max(columns.min() - room, 0)
    bottom, right = (
        min(rows.max() + room + 1, len(own)),
        min(columns.max() + room + 1, own.shape[1]),
    )
    step = max(1, -(-max(bottom - top, right - left) // (largest_side or max(own.shape))))
    # A mask of lone pixels could vanish.
    step = step if own[top:bottom:step, left:right:step].any() else 1
    window = (slice(top, bottom, step), slice(left, right, step))
    others = observation.masks[(slice(None), *window)].any(axis=0) & ~own[window]
    masks = np.stack([own[window], others]) if others.any() else own[window][None]
    depth = observation.depth[window].copy()
    k = observation.camera.k.copy()
    k[:2, 2] -= left, top
    k[:2] /= step
    other_id = 1 if instance_id != 1 else 2
    count = len(masks)
    return observation.with_depth(
        depth,
        masks=masks.copy(),
        camera=Camera(depth.shape[1], depth.shape[0], k),
        rgb=None,
        labels=(observation.labels[row], "other objects")[:count],
        scores=(observation.scores[row], 1.0)[:count],
        instance_ids=(instance_id, other_id)[:count],
        warnings=(),
    )
