"""Cleaning of instance masks: overlaps go to one instance, rims that show other things are trimmed.

Amodal masks also cover what is hidden; the depth in an overlap belongs to one instance only. Masks
bleed, too: their outermost pixels often show what lies behind or before the object, and there the
reading jumps against the readings further inside.

Widths in pixels are meant for an image of 640 pixels and scale with the width of the image.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

from iscene_ros.core.observation import Observation, window_of
from iscene_ros.geometry.depth_range import range_around

REFERENCE_WIDTH = 640

# Overlaps. Pixels this close to another mask do not count as an instance's own: masks and depth
# are a few pixels off.
OVERLAP_MARGIN = 6.0
# An instance with fewer pixels of its own, or a smaller share of its mask, is taken to lie in front
# of the others; otherwise nothing would be left of it.
MIN_OWN_PIXELS, MIN_OWN_SHARE = 30, 0.03
# Parts of an instance's own pixels, separated by jumps of depth, that are smaller than this share
# of the largest part belong to another thing that reaches into the mask.
MAIN_PART_SHARE = 0.25
# Relative change of depth between neighbours that costs as much as a pixel without reading, and the
# tangent of the angle between surface and image plane up to which a change is a free slope.
JUMP_COST_SCALE, FREE_SLOPE = 0.01, 2.75
# Cost of a pixel without reading, and of a smooth pixel, which makes nearer instances win ties.
HOLE_COST, SMOOTH_COST = 1.0, 0.005

# Rims. Width of a rim, narrowed by the factor until the core inside has enough readings.
RIM_WIDTH, RIM_NARROWING, MIN_CORE_READINGS = 10.0, 0.7, 12
# Change of depth against the nearest reading of the core that is noise, relative; tangent of the
# steepest slope, which explains no more than the height [m].
RIM_NOISE, STEEPEST_SLOPE, HIGHEST_SLOPE_M = 0.02, 2.0, 0.05
# A mask with a smaller share of bleeding readings stays: they do no harm and may be sensor errors.
MIN_BLEEDING_SHARE = 0.02


def resolve_mask_overlaps(observation: Observation) -> Observation:
    """Return the rectified observation with masks that no longer overlap.

    A pixel of an overlap goes to the instance to which the smoothest path leads: from the pixels
    that are the instance's alone, within its mask, with the fewest jumps of depth on the path.
    Without depth it goes to the smallest mask: a small thing hidden by a large one has no mask.
    """
    masks = observation.masks
    count = masks.sum(axis=0, dtype=np.uint16)
    rows, columns = np.nonzero(count > 1)
    if len(rows) == 0:
        return observation
    # The smallest mask that holds each pixel.
    sizes = np.count_nonzero(masks, axis=(1, 2))[:, None]
    owner = np.argmin(np.where(masks[:, rows, columns], sizes, np.inf), axis=0)
    if observation.has_depth:
        costs = _path_costs(observation, count > 1)
        # A part of a mask that no path reaches stays with the smallest.
        owner = np.where(np.isfinite(costs.min(axis=0)), np.argmin(costs, axis=0), owner)
    visible = masks & (count == 1)
    visible[owner, rows, columns] = True
    return replace(observation, masks=visible)


def _path_costs(observation: Observation, shared: np.ndarray) -> np.ndarray:
    """Return (N, M) costs of the best path of each instance to each shared pixel; inf = none."""
    masks, depth = observation.masks, observation.depth
    # The (H, W) cost of stepping on each pixel.
    known = depth > 0
    lowest, highest = range_around(np.log(np.where(known, depth, 1.0)), known)
    slope = 2 * FREE_SLOPE / observation.camera.k[0, 0]  # across the three pixels of the filters
    jumps = np.clip(np.where(known, highest - lowest, 0.0) - slope, 0.0, None) / JUMP_COST_SCALE
    cost = np.where(known, SMOOTH_COST + HOLE_COST * jumps, HOLE_COST)
    margin = OVERLAP_MARGIN * observation.camera.width / REFERENCE_WIDTH
    costs = np.full((len(masks), np.count_nonzero(shared)), np.inf)
    for number, mask in enumerate(masks):
        if (mask & shared).any():
            alone = mask & (ndimage.distance_transform_edt(~(mask & shared)) > margin)
            seeds = _main_parts(alone & (cost < HOLE_COST))
            costs[number] = _mask_path_costs(mask, seeds, cost)[shared]
    return costs


def _mask_path_costs(mask: np.ndarray, alone: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Return (H, W) costs of the best path from the instance's own pixels; inf outside its mask."""
    pixels = np.count_nonzero(alone)
    if pixels < max(MIN_OWN_PIXELS, MIN_OWN_SHARE * np.count_nonzero(mask)):
        return np.where(mask, -1.0, np.inf)
    window = window_of(mask)
    inside = np.where(mask[window], cost[window], -1.0)  # negative: no passage
    # Paths begin at the outermost of the own pixels.
    rim = alone[window] & ~ndimage.binary_erosion(alone[window])
    found, _ = MCP_Geometric(inside).find_costs(np.argwhere(rim))
    found[alone[window]] = 0.0
    costs = np.full(mask.shape, np.inf)
    costs[window] = np.where(mask[window], found, np.inf)
    return costs


def _main_parts(region: np.ndarray) -> np.ndarray:
    """Return the region without its small connected parts."""
    labels, count = ndimage.label(region)
    if count < 2:
        return region
    sizes = np.bincount(labels.ravel())[1:]
    return np.isin(labels, 1 + np.flatnonzero(sizes >= MAIN_PART_SHARE * sizes.max()))


def trim_bleeding_masks(observation: Observation) -> Observation:
    """Return the rectified observation with masks whose rims agree in depth with their insides.

    A pixel of the rim is left out where its reading jumps against the nearest reading inside, and
    such pixels lead from it to the mask's border: islands further in are errors of the sensor. A
    pixel without a reading stays, and so does a mask that is all rim.
    """
    masks = [_trimmed(observation, mask) for mask in observation.masks]
    return replace(observation, masks=np.array(masks)) if masks else observation


def _trimmed(observation: Observation, mask: np.ndarray) -> np.ndarray:
    if not mask.any():
        return mask
    window = window_of(mask)
    inside, depth = mask[window], observation.depth[window]
    known = inside & (depth > 0)
    to_border = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    width = RIM_WIDTH * observation.camera.width / REFERENCE_WIDTH
    while np.count_nonzero(core := known & (to_border > width)) < MIN_CORE_READINGS:
        width *= RIM_NARROWING
        if width < 1:
            return mask
    distance, (rows, columns) = ndimage.distance_transform_edt(~core, return_indices=True)
    nearest = depth[rows, columns]
    slope = STEEPEST_SLOPE * distance * nearest / observation.camera.k[0, 0]
    allowed = RIM_NOISE * nearest + np.minimum(slope, HIGHEST_SLOPE_M)
    bleeding = known & (np.abs(depth - nearest) > allowed)
    # Those that lead to the outside of the mask.
    outside = np.pad(~inside, 1, constant_values=True)
    labels, _ = ndimage.label(outside | np.pad(bleeding, 1))
    bleeding &= np.isin(labels, np.unique(labels[outside]))[1:-1, 1:-1]
    if np.count_nonzero(bleeding) < MIN_BLEEDING_SHARE * np.count_nonzero(known):
        return mask
    trimmed = mask.copy()
    trimmed[window] &= ~bleeding
    return trimmed
