"""Cleaning of an observation before a model reads it: masks, depth, and the crops that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.geometry.depth_range import range_around
from iscene_ros.preprocess.crops import Evidence, SceneCrops, fit_crops
from iscene_ros.preprocess.mask_cleaning import trim_bleeding_masks

# Stereo matching joins an object and what lies behind it by a ramp. A range of depth in 3 x 3
# pixels above this is no surface: a length and, for the noise, a factor on the squared depth
# [m, 1/m].
RAMP_M, RAMP_NOISE = 0.012, 0.05
# A steep surface has such a range, too, but its inverse depth is linear in the image: a ramp's
# bends, over so many pixels, by at least this share of the range.
BEND_PIXELS, BEND_SHARE = 2, 0.5
# Supports are known to about this height [m]; readings further below went through the support.
SUPPORT_MARGIN_M = 0.02


@dataclass(frozen=True)
class CleanedObservation:
    """An observation without faulty readings and mask pixels, and its crops.

    Attributes:
        observation: rectified; its masks do not overlap.
        crops: cubes of the scene and of its instances.
    """

    observation: Observation
    crops: SceneCrops


def clean_observation(
    observation: Observation, aligned_frame: GravityAlignedFrame, evidence: Evidence | None = None
) -> CleanedObservation:
    """Fit crops without the rims of bleeding masks, and drop depth of ramps and see-through depth.

    Args:
        observation: rectified, with masks that do not overlap.
        aligned_frame: axes of the crops.
        evidence: further views of its instances, cleaned by this function earlier.
    """
    observation = drop_depth_ramps(observation)
    trimmed = trim_bleeding_masks(observation)
    bleeding = (observation.masks & ~trimmed.masks).any(axis=0)
    own_depth = np.where(bleeding, np.float32(0), observation.depth)
    crops = fit_crops(trimmed.with_depth(own_depth), aligned_frame, evidence)
    depth = drop_see_through_depth(observation, crops).depth
    # A see-through reading in a rim shows no other object: the pixel stays in the mask.
    dropped = (observation.depth > 0) & (depth == 0)
    masks = trimmed.masks | (observation.masks & dropped)
    return CleanedObservation(replace(observation.with_depth(depth), masks=masks), crops)


def drop_depth_ramps(observation: Observation) -> Observation:
    """Return the observation without readings at jumps of the depth, one pixel wide beside them."""
    depth = observation.depth
    has_reading = depth > 0
    lowest, highest = range_around(depth, has_reading)
    limit = RAMP_M + RAMP_NOISE * depth**2
    jump = has_reading & (highest - lowest > limit)
    if not jump.any():
        return observation
    inverse = np.where(has_reading, 1 / np.where(has_reading, depth, 1.0), np.nan)
    # Second differences along both axes; NaN at the borders, where one alone counts.
    around = np.pad(inverse, BEND_PIXELS, constant_values=np.nan)
    middle, end = slice(BEND_PIXELS, -BEND_PIXELS), 2 * BEND_PIXELS
    vertical = around[:-end, middle] + around[end:, middle] - 2 * inverse
    horizontal = around[middle, :-end] + around[middle, end:] - 2 * inverse
    bend = np.fmax(np.abs(vertical) * depth**2, np.abs(horizontal) * depth**2)
    jump &= bend > BEND_SHARE * limit
    beside = ndimage.binary_dilation(jump, np.ones((3, 3)))
    return observation.with_depth(np.where(beside, np.float32(0), depth))


def drop_see_through_depth(observation: Observation, crops: SceneCrops) -> Observation:
    """Return the rectified observation without readings that lie below an instance's support.

    Stereo cameras produce such islands on shiny or untextured surfaces. They would show the model
    an empty line of sight, and it would carve the object.
    """
    depth = observation.depth.copy()
    for crop in crops.instances:
        rows, columns = np.nonzero(observation.masks[crop.index] & (depth > 0))
        pixels = np.column_stack([columns, rows])
        points_camera = observation.camera.unproject(pixels, depth[rows, columns])
        heights = crops.aligned_frame.from_camera(points_camera)[:, 2]
        below = heights < crop.support_height - SUPPORT_MARGIN_M
        depth[rows[below], columns[below]] = 0
    return observation.with_depth(depth)
