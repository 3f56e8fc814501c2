"""What is believed of an observation before the network sees it, and where the cubes lie then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iscene_ros.core.frames import ViewSpace
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.crops import FitOptions, SlotPlan, plan_slots
from iscene_ros.preprocess.mask_trimming import without_foreign_rims
from iscene_ros.preprocess.see_through_depth import without_impossible_readings


def plan_believed_slots(
    observation: Observation, view_space: ViewSpace, fit: FitOptions
) -> tuple[SlotPlan, Observation]:
    """Plan the cubes without the rims of masks that show other things, and drop what cannot be.

    Args:
        observation: rectified, with masks that do not overlap.
        view_space: the cubes' axes.
        fit: how cubes are fitted.

    Returns:
        The cubes, and the observation whose masks and depth are believed.
    """
    trimmed = without_foreign_rims(observation)
    foreign = (observation.masks & ~trimmed.masks).any(axis=0)
    readings = np.where(foreign, np.float32(0), observation.depth)
    plan = plan_slots(replace(trimmed, depth=readings, allow_no_depth=True), view_space, fit)
    believed = without_impossible_readings(observation, plan).depth
    # An impossible reading in a rim is nobody's: the pixel stays the instance's.
    nobodys = (observation.depth > 0) & (believed == 0)
    masks = trimmed.masks | (observation.masks & nobodys)
    return plan, replace(observation, depth=believed, masks=masks)
