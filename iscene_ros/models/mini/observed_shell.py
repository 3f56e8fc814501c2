"""A shell around the observed points, for shapes that miss most of them.

A network that takes a mask for something else may leave most of the observed points outside of the
predicted shape. Such a shape is not published as it is: a thin shell is added around the points
that it misses, and its confidence is low.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

# An observed point is missed where it lies further outside the surface than this [voxels].
MISSED_VOXELS = 2.5
# Missed points up to this share are taken for pixels that the mask wrongly includes.
MOST_MISSED = 0.5
# Half the thickness of the shell [voxels]; observed points are about a voxel apart.
HALF_THICKNESS = 1.0
# The confidence of a shape that needed a shell is at most this.
SHELL_CONFIDENCE = 0.2


def missed_readings(values: np.ndarray, truncation: float) -> np.ndarray:
    """Return which of M observed points the shape misses, (M,) bool.

    Args:
        values: (M,) signed distance at the points, in units of the truncation.
        truncation: Truncation of the distance [voxels].
    """
    return values * truncation > MISSED_VOXELS


def needs_shell(missed: np.ndarray) -> bool:
    """Return whether the shape misses most of its observed points; `missed` is (M,) bool."""
    return len(missed) > 0 and float(missed.mean()) > MOST_MISSED


def with_shell(distance: np.ndarray, voxels: np.ndarray, truncation: float) -> np.ndarray:
    """Return a distance (R, R, R) united with a shell around points (M, 3) [voxels]."""
    side = len(distance)
    reach = HALF_THICKNESS + 2.0
    low = np.clip(np.floor(voxels.min(axis=0) - reach).astype(int), 0, side)
    high = np.clip(np.ceil(voxels.max(axis=0) + reach).astype(int) + 1, 0, side)
    if (low >= high).any():
        return distance
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    away = cKDTree(voxels).query(grid, distance_upper_bound=reach)[0]
    shell = np.minimum((away - HALF_THICKNESS) / truncation, 1.0)
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    joined = distance.copy()
    joined[window] = np.minimum(distance[window], shell)
    return joined.astype(np.float32)
