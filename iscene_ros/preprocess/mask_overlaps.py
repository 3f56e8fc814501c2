"""Whose pixel is it? Overlapping masks become the visible part of each instance.

Amodal masks cover what is hidden, too; the depth in the overlap belongs to one instance only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

from iscene_ros.core.observation import Observation


@dataclass(frozen=True)
class MaskOverlapOptions:
    """How overlaps are decided.

    Attributes:
        margin: pixels so close to another mask count as its own no more; masks and depth are a few
            pixels off. [pixels of an image 640 wide]
        min_pixels, min_share: an instance with fewer pixels of its own (or a smaller share of its
            mask) is taken to lie in front of the others, or nothing would be left of it.
        main_share: parts of its own pixels, separated by jumps of depth, smaller than this share of
            the largest are not its own but somebody's who reaches in.
        jump: relative change of depth between neighbours that costs as much as a hole.
        steepest: tangent of the angle between a surface and the image plane up to which a change of
            depth counts as slope and costs nothing.
        hole_cost: of a pixel without reading.
        smooth_cost: of a pixel on a perfectly smooth surface; makes nearer instances win ties.
    """

    margin: float = 6.0
    min_pixels: int = 30
    min_share: float = 0.03
    main_share: float = 0.25
    jump: float = 0.01
    steepest: float = 2.75
    hole_cost: float = 1.0
    smooth_cost: float = 0.005


def resolve_mask_overlaps(
    observation: Observation, options: MaskOverlapOptions | None = None
) -> Observation:
    """The rectified observation with masks that no longer overlap.

    A pixel of an overlap goes to the instance to which the smoothest way leads: from the pixels
    that are the instance's alone, within its mask, with the fewest jumps of depth on the way.
    Without depth it goes to the smallest mask: a small thing hidden by a large one has no mask.
    """
    options = options or MaskOverlapOptions()
    masks = observation.masks
    count = masks.sum(axis=0, dtype=np.int32)
    rows, columns = np.nonzero(count > 1)
    if len(rows) == 0:
        return observation
    owner = _smallest(masks, rows, columns)
    if observation.has_depth:
        ways = _all_ways(observation, count > 1, options)
        # A part of a mask that no way reaches stays with the smallest.
        owner = np.where(np.isfinite(ways.min(axis=0)), np.argmin(ways, axis=0), owner)
    visible = masks & (count == 1)
    visible[owner, rows, columns] = True
    return replace(observation, masks=visible)


def _smallest(masks: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(M,) which of the masks that hold a pixel has the fewest pixels."""
    sizes = np.count_nonzero(masks, axis=(1, 2))[:, None]
    return np.argmin(np.where(masks[:, rows, columns], sizes, np.inf), axis=0)


def _all_ways(
    observation: Observation, shared: np.ndarray, options: MaskOverlapOptions
) -> np.ndarray:
    """(N, M) cost of the best way of each instance to each shared pixel; infinite: not in it."""
    masks = observation.masks
    cost = _step_cost(observation.depth, observation.camera.k[0, 0], options)
    margin = options.margin * observation.camera.width / 640
    ways = np.full((len(masks), np.count_nonzero(shared)), np.inf)
    for number, mask in enumerate(masks):
        if (mask & shared).any():
            alone = mask & (ndimage.distance_transform_edt(~(mask & shared)) > margin)
            seeds = _main_parts(alone & (cost < options.hole_cost), options)
            ways[number] = _ways(mask, seeds, cost, options)[shared]
    return ways


def _step_cost(depth: np.ndarray, focal: float, options: MaskOverlapOptions) -> np.ndarray:
    """(H, W) cost of stepping on each pixel; focal length in pixels."""
    known = depth > 0
    logarithm = np.log(np.where(known, depth, 1.0))
    highest = ndimage.maximum_filter(np.where(known, logarithm, -np.inf), 3)
    lowest = ndimage.minimum_filter(np.where(known, logarithm, np.inf), 3)
    slope = 2 * options.steepest / focal  # across the three pixels of the filters
    jumps = np.clip(np.where(known, highest - lowest, 0.0) - slope, 0.0, None) / options.jump
    return np.where(known, options.smooth_cost + options.hole_cost * jumps, options.hole_cost)


def _ways(
    mask: np.ndarray, alone: np.ndarray, cost: np.ndarray, options: MaskOverlapOptions
) -> np.ndarray:
    """(H, W) cost of the best way from the instance's own pixels; infinite outside its mask."""
    pixels = np.count_nonzero(alone)
    if pixels < max(options.min_pixels, options.min_share * np.count_nonzero(mask)):
        return np.where(mask, -1.0, np.inf)
    window = ndimage.find_objects(mask.astype(np.int8))[0]
    inside = np.where(mask[window], cost[window], -1.0)  # negative: no passage
    found, _ = MCP_Geometric(inside).find_costs(np.argwhere(_rim(alone[window])))
    found[alone[window]] = 0.0
    ways = np.full(mask.shape, np.inf)
    ways[window] = np.where(mask[window], found, np.inf)
    return ways


def _main_parts(region: np.ndarray, options: MaskOverlapOptions) -> np.ndarray:
    """The connected parts of a region without the small ones."""
    labels, count = ndimage.label(region)
    if count < 2:
        return region
    sizes = np.bincount(labels.ravel())[1:]
    return np.isin(labels, 1 + np.flatnonzero(sizes >= options.main_share * sizes.max()))


def _rim(region: np.ndarray) -> np.ndarray:
    """The outermost pixels of a region: where ways begin."""
    return region & ~ndimage.binary_erosion(region)
