"""What observed points correct in a predicted distance: its level beside them, and what it misses.

The predicted surface of an object lies millimetres beside the points that were observed on it.
Around these the distance is corrected by its own value at them, which should be zero; the hidden
side stays as predicted.

A network that takes a mask for something else may leave most of the observed points outside of the
predicted shape. Such a shape is not published as it is: a thin shell is added around the points
that it misses, and its confidence is low.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

# Standard deviation of the weights around an observed voxel [voxels]: readings are noisy, and the
# error of a prediction is smooth.
REACH = 1.5
# Density of observed voxels at which half of the correction is applied. A flat surface has a
# density of 0.27 on itself, of 0.04 three voxels and of 0.01 four voxels beside.
HALF_DENSITY = 0.01
# Points further off than this share of the truncation correct nothing (Tukey's biweight): masks
# show other objects, too, and the network has learnt to ignore these.
LARGEST = 0.3


def correction(values: np.ndarray, voxels: np.ndarray, resolution: int) -> np.ndarray:
    """Return the field to subtract from a distance so that its surface meets observed points.

    Args:
        values: (M,) distance at the points, in units of the truncation.
        voxels: (M, 3) the points, as indices of the grid; those outside do not count.
        resolution: R of the grid.

    Returns:
        (R, R, R) float32: a robust mean of the values, its weights Gaussian in the distance from
        the points; each voxel counts once, however many points are in it. Zero far from all.
    """
    nearest = np.rint(voxels).astype(np.int64)
    inside = ((nearest >= 0) & (nearest < resolution)).all(axis=1)
    cells = np.ravel_multi_index(tuple(nearest[inside].T), (resolution,) * 3)
    ratio = np.minimum(np.abs(values[inside]) / LARGEST, 1.0)
    weighted = values[inside] * (1 - ratio**2) ** 2
    counts = np.bincount(cells, minlength=resolution**3)
    sums = np.bincount(cells, weighted, minlength=resolution**3)
    means = sums / np.maximum(counts, 1)
    spread, density = (
        ndimage.gaussian_filter(
            field.astype(np.float32).reshape((resolution,) * 3), REACH, mode="constant"
        )
        for field in (means, counts > 0)
    )
    return spread / (density + np.float32(HALF_DENSITY))


# An observed point is missed where it lies further outside the surface than this [voxels].
MISSED_VOXELS = 2.5
# Missed points up to this share are taken for pixels that the mask wrongly includes.
MOST_MISSED = 0.5
# Half the thickness of the shell [voxels]; observed points are about a voxel apart.
HALF_THICKNESS = 1.0
# The confidence of a shape that needed a shell is at most this.
SHELL_CONFIDENCE = 0.2


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
