"""Mask errors that other views reveal: pixels that show what is outside of the instance elsewhere.

A mask that bleeds onto the floor makes the crop of its instance several times too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.mask_cleaning import REFERENCE_WIDTH
from iscene_ros.preprocess.view_registration import points_world

# Two views read the same surface where their depths agree to this [m].
AGREEMENT_M = 0.02
# So far beside a mask another view contradicts [pixels of an image of 640].
MARGIN = 8.0
NEAREST_M = 0.05


def without_contradicted_pixels(view: Observation, others: Sequence[Observation]) -> Observation:
    """Return a view without mask pixels that more of the others contradict than confirm.

    A mask of which nothing would be left stays as it is.

    Args:
        view: rectified, with a pose.
        others: further views in the same world frame; the same id is the same instance.
    """
    masks = view.masks.copy()
    for instance_id, mask in zip(view.instance_ids, masks, strict=True):
        rows, columns = np.nonzero(mask & (view.depth > 0))
        votes = [_votes(points_world(view, mask), other, instance_id) for other in others]
        wrong = np.sum(votes, axis=0) < 0 if votes else np.zeros(len(rows), bool)
        if np.count_nonzero(wrong) < np.count_nonzero(mask):
            mask[rows[wrong], columns[wrong]] = False
    return replace(view, masks=masks)


def _votes(points: np.ndarray, other: Observation, instance_id: int) -> np.ndarray:
    """Return (M,) 1 where another view confirms a point, -1 where it contradicts, else 0."""
    votes = np.zeros(len(points), np.int64)
    if instance_id not in other.instance_ids:
        return votes
    own = other.masks[other.instance_ids.index(instance_id)]
    margin = round(MARGIN * other.camera.width / REFERENCE_WIDTH)
    outside = ndimage.maximum_filter(own.view(np.uint8), 2 * margin + 1) == 0
    pose = other.world_from_camera
    points_camera = (points - pose[:3, 3]) @ pose[:3, :3]
    ahead = np.flatnonzero(points_camera[:, 2] > NEAREST_M)
    columns, rows = np.rint(other.camera.project(points_camera[ahead])).astype(np.int64).T
    size = other.depth.shape
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    ahead, rows, columns = ahead[inside], rows[inside], columns[inside]
    depth = other.depth[rows, columns]
    same = (depth > 0) & (np.abs(depth - points_camera[ahead, 2]) < AGREEMENT_M)
    ahead, rows, columns = ahead[same], rows[same], columns[same]
    votes[ahead] = own[rows, columns].astype(np.int64) - outside[rows, columns]
    return votes
