"""The inner and the outer surface around a predicted one."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from iscene_ros.geometry.mesh_measures import LEAST_SHARE
from iscene_ros.models.model_config import Envelope

# The distance carries no information near its truncation: surfaces move no further.
MAX_SHIFT = 0.6
# Across the ridge of a thin body the slope of the distance vanishes, but not that of its sides.
SLOPE_REACH = 3
# An inner body that would vanish moves by so many times less, twice, then not at all.
HESITATION = (1.0, 0.5, 0.25, 0.0)


def moved_surface(
    distance: np.ndarray, slope: np.ndarray, sigma: np.ndarray, envelope: Envelope
) -> np.ndarray:
    """Return a distance whose surface lies about a standard deviation further in or out.

    Args:
        distance: (R, R, R) in units of its truncation, negative inside.
        slope: (R, R, R) of it, 1 = as steep as a true one.
        sigma: (R, R, R) standard deviation of the surface, in units of the truncation.
        envelope: inner or outer; mean = as it is.

    Returns:
        (R, R, R) float32: nowhere smaller than `distance` for the inner surface, nowhere larger
        for the outer one, so that the bodies contain each other.
    """
    if envelope is Envelope.MEAN or not np.any(distance < 0):
        return distance
    # A flat distance has to be cut at a level that is nearer, for the same way in space.
    steep = np.clip(ndimage.maximum_filter(slope, SLOPE_REACH), 0.0, 1.0)
    shift = np.minimum(sigma * steep, MAX_SHIFT).astype(np.float32)
    if envelope is Envelope.OUTER:
        return distance - shift
    inner = (distance + np.float32(share) * shift for share in HESITATION)
    return next(moved for moved in inner if np.any(moved < 0))


def bodies_around(moved: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return the moved distance with only the bodies that overlap large mean ones."""
    parts, count = ndimage.label(distance < 0)
    if not count:
        return moved
    volumes = np.bincount(parts.ravel())[1:]
    large = np.isin(parts, 1 + np.flatnonzero(volumes >= LEAST_SHARE * volumes.max()))
    bodies, _ = ndimage.label(moved < 0)
    kept = np.isin(bodies, np.unique(bodies[large & (bodies > 0)]))
    return np.where((moved < 0) & ~kept, -moved, moved)
