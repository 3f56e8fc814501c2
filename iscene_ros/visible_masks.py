"""Whose pixel is it? Overlapping masks become the visible part of each instance.

Amodal masks cover what is hidden, too; the depth in the overlap belongs to one instance only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.observation import Observation


@dataclass(frozen=True)
class OwnershipOptions:
    """How overlaps are decided.

    Attributes:
        min_readings: an instance needs so many readings of its own to be asked where its surface
            goes on; with fewer it is taken to lie in front, or nothing would be left of it.
        min_share: the same, as a share of its mask.
        max_readings: the planes are fitted to at most this many readings.
    """

    min_readings: int = 30
    min_share: float = 0.03
    max_readings: int = 2000


def with_visible_masks(
    observation: Observation, options: OwnershipOptions | None = None
) -> Observation:
    """The rectified observation with masks that no longer overlap.

    A pixel of an overlap goes to the instance whose surface, extended as a plane from the pixels
    that are its alone, explains the depth there best; a pixel without depth to the one whose
    surface would be in front.
    """
    options = options or OwnershipOptions()
    masks = observation.masks
    count = masks.sum(axis=0, dtype=np.int32)
    rows, columns = np.nonzero(count > 1)
    if len(rows) == 0:
        return observation
    pixels = np.column_stack([columns, rows, np.ones(len(rows))]).astype(np.float64)
    depth = observation.depth[rows, columns].astype(np.float64)
    costs = np.full((len(masks), len(rows)), np.inf)
    for number, mask in enumerate(masks):
        here = mask[rows, columns]
        if here.any():
            alone = mask & (count == 1) & (observation.depth > 0)
            surface = _inverse_depth_plane(observation, mask, alone, options)
            costs[number, here] = _cost(surface, pixels[here], depth[here])
    owner = np.argmin(costs, axis=0)
    visible = masks & (count == 1)
    visible[owner, rows, columns] = True
    return replace(observation, masks=visible)


def _inverse_depth_plane(
    observation: Observation, mask: np.ndarray, alone: np.ndarray, options: OwnershipOptions
) -> np.ndarray | None:
    """(3,) p with 1 / depth = p . (u, v, 1), which is exact for a plane; None = too little seen."""
    rows, columns = np.nonzero(alone)
    if len(rows) < max(options.min_readings, options.min_share * np.count_nonzero(mask)):
        return None
    step = max(1, len(rows) // options.max_readings)
    rows, columns = rows[::step], columns[::step]
    pixels = np.column_stack([columns, rows, np.ones(len(rows))]).astype(np.float64)
    inverse = 1.0 / observation.depth[rows, columns].astype(np.float64)
    plane, *_ = np.linalg.lstsq(pixels, inverse, rcond=None)
    kept = _close(np.abs(inverse - pixels @ plane))
    plane, *_ = np.linalg.lstsq(pixels[kept], inverse[kept], rcond=None)
    return plane


def _close(residual: np.ndarray) -> np.ndarray:
    return residual <= 3 * np.median(residual) + 1e-9


def _cost(surface: np.ndarray | None, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(M,) how badly a surface explains the pixels; smallest wins."""
    if surface is None:
        return np.full(len(pixels), -np.inf)
    inverse = pixels @ surface
    with np.errstate(divide="ignore"):
        mismatch = np.abs(inverse - np.where(depth > 0, 1.0 / depth, 0.0))
    # Without a reading the nearer surface hides the other: large inverse depth, small cost.
    return np.where(depth > 0, mismatch, -inverse)
