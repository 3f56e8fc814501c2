"""Depth readings that cannot be: inside an instance's mask, yet far below what carries it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.crops import SceneCrops

# Supports are known to about this height [m]; readings further below went through the support.
MARGIN_M = 0.02


def without_see_through_depth(observation: Observation, plan: SceneCrops) -> Observation:
    """The rectified observation without readings that see through an instance and its support.

    Stereo cameras invent such islands on shiny or untextured surfaces. Left in, they would tell
    the network that the line of sight is empty, and it would carve the object.
    """
    depth = observation.depth
    for slot in plan.instances:
        rows, columns = np.nonzero(observation.masks[slot.index] & (depth > 0))
        pixels = np.column_stack([columns, rows])
        points_camera = observation.camera.unproject(pixels, depth[rows, columns])
        heights = plan.aligned_frame.from_camera(points_camera)[:, 2]
        below = heights < slot.support_height - MARGIN_M
        if below.any():
            depth = depth.copy() if depth is observation.depth else depth
            depth[rows[below], columns[below]] = 0
    return observation if depth is observation.depth else replace(observation, depth=depth)
