"""The readings of a depth image that surely show the surroundings, and no object."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy import ndimage

from iscene_ros.core.observation import Observation
from iscene_ros.geometry.depth_range import range_around

# Readings so close to a mask may still be the object's, masks being a few pixels off [pixels of an
# image 640 wide].
MASK_MARGIN = 6.0
# Where neighbours differ by more than this, readings mix two surfaces [m + the same share of the
# depth].
JUMP = 0.015
# Neighbours that agree with a steady reading.
AGREEING = 2
# Islands of readings between jumps of fewer pixels than this share of the image are false: stereo
# sees through shiny surfaces in places.
LEAST_ISLAND = 1e-3


def readings_beside(observation: Observation, masked: np.ndarray) -> np.ndarray:
    """Return (H, W) bool: the readings that keep a margin from masked pixels (H, W) bool."""
    reach = MASK_MARGIN * observation.camera.width / 640
    return (observation.depth > 0) & (ndimage.distance_transform_edt(~masked) > reach)


def steady_readings(depth: np.ndarray) -> np.ndarray:
    """Return (H, W) bool: the readings that two neighbours agree with, those on thin rims included.

    Args:
        depth: (H, W) [m], 0 = no reading.
    """
    padded = np.pad(depth, 1)
    alike = np.zeros(depth.shape, np.int8)
    for row, column in product(range(3), repeat=2):
        shifted = padded[row : row + depth.shape[0], column : column + depth.shape[1]]
        alike += np.abs(shifted - depth) <= JUMP * (1 + depth)
    return (depth > 0) & (alike > AGREEING)  # one of them is the reading itself


def surroundings_depth(observation: Observation, masked: np.ndarray) -> np.ndarray:
    """Return the (H, W) float32 depth of the surroundings [m], 0 elsewhere.

    Left out are masked pixels with a margin, readings at jumps, and small islands between jumps.

    Args:
        observation: rectified.
        masked: (H, W) bool, the pixels of all objects.
    """
    depth = observation.depth
    known = depth > 0
    lowest, highest = range_around(depth, known)
    smooth = known & (highest - lowest <= JUMP * (1 + depth))
    islands, _ = ndimage.label(smooth)
    sizes = np.bincount(islands.ravel())
    sizes[0] = 0
    large = (sizes >= LEAST_ISLAND * depth.size)[islands]
    return np.where(large & readings_beside(observation, masked), depth, np.float32(0))
