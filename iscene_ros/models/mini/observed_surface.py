"""Correction of a predicted surface at the observed points.

The predicted surface of an object lies millimetres beside the points that were observed on it.
Around these the distance is corrected by its own value at them, which should be zero; the hidden
side stays as predicted.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

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
    spread, density = (_blurred(field, resolution) for field in (means, counts > 0))
    return spread / (density + np.float32(HALF_DENSITY))


def _blurred(field: np.ndarray, resolution: int) -> np.ndarray:
    grid = field.astype(np.float32).reshape((resolution,) * 3)
    return ndimage.gaussian_filter(grid, REACH, mode="constant")
