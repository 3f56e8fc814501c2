"""What is believed of an observation before the network sees it, and where the cubes lie then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.crops import CropOptions, SceneCrops, fit_crops
from iscene_ros.preprocess.mask_trimming import trim_bleeding_masks
from iscene_ros.preprocess.see_through_depth import without_see_through_depth


def crop_cleaned_observation(
    observation: Observation, aligned_frame: GravityAlignedFrame, fit: CropOptions
) -> tuple[SceneCrops, Observation]:
    """Plan the cubes without the rims of masks that show other things, and drop what cannot be.

    Args:
        observation: rectified, with masks that do not overlap.
        aligned_frame: the cubes' axes.
        fit: how cubes are fitted.

    Returns:
        The cubes, and the observation whose masks and depth are believed.
    """
    trimmed = trim_bleeding_masks(observation)
    foreign = (observation.masks & ~trimmed.masks).any(axis=0)
    readings = np.where(foreign, np.float32(0), observation.depth)
    plan = fit_crops(replace(trimmed, depth=readings, allow_no_depth=True), aligned_frame, fit)
    believed = without_see_through_depth(observation, plan).depth
    # An impossible reading in a rim is nobody's: the pixel stays the instance's.
    nobodys = (observation.depth > 0) & (believed == 0)
    masks = trimmed.masks | (observation.masks & nobodys)
    return plan, replace(observation, depth=believed, masks=masks)
