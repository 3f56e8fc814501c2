"""Masks without what their rims show of other things.

Masks bleed: their outermost pixels often show what lies behind or before. There the reading jumps
against the readings further inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from iscene_ros.core.observation import Observation

# A core with too few readings is looked for again in a rim that is narrower by this factor.
NARROWER = 0.7


@dataclass(frozen=True)
class MaskTrimOptions:
    """What counts as foreign.

    Attributes:
        width: of the rim [pixels of an image 640 wide].
        jump: change of depth against the nearest reading inside that is noise, relative.
        steepest: tangent of the angle between a surface and the image plane that is still a slope.
        highest_slope: a slope explains no more than this [m].
        min_core: readings that have to lie inside of the rim, or the rim is taken narrower.
        least_share: a mask with fewer foreign readings than this share stays as it is; they do no
            harm, and may be the sensor's errors.
    """

    width: float = 10.0
    jump: float = 0.02
    steepest: float = 2.0
    highest_slope: float = 0.05
    min_core: int = 12
    least_share: float = 0.02


def trim_bleeding_masks(
    observation: Observation, options: MaskTrimOptions | None = None
) -> Observation:
    """The rectified observation with masks whose rims agree in depth with their insides.

    A pixel of the rim is left out where its reading jumps against the nearest reading inside, and
    such pixels lead from it to the mask's border: islands further in are errors of the sensor. A
    pixel without a reading stays, and so does a mask that is all rim.
    """
    options = options or MaskTrimOptions()
    masks = [_trimmed(observation, mask, options) for mask in observation.masks]
    return replace(observation, masks=np.array(masks)) if masks else observation


def _trimmed(observation: Observation, mask: np.ndarray, options: MaskTrimOptions) -> np.ndarray:
    if not mask.any():
        return mask
    window = ndimage.find_objects(mask.astype(np.int8))[0]
    inside, depth = mask[window], observation.depth[window]
    known = inside & (depth > 0)
    core = _core(inside, known, options.width * observation.camera.width / 640, options.min_core)
    if core is None:
        return mask
    distance, (rows, columns) = ndimage.distance_transform_edt(~core, return_indices=True)
    nearest = depth[rows, columns]
    slope = options.steepest * distance * nearest / observation.camera.k[0, 0]
    allowed = options.jump * nearest + np.minimum(slope, options.highest_slope)
    foreign = _bordering(known & (np.abs(depth - nearest) > allowed), inside)
    if np.count_nonzero(foreign) < options.least_share * np.count_nonzero(known):
        return mask
    trimmed = mask.copy()
    trimmed[window] &= ~foreign
    return trimmed


def _bordering(pixels: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Those of the pixels that hang together with the outside of a mask."""
    outside = np.pad(~inside, 1, constant_values=True)
    labels, _ = ndimage.label(outside | np.pad(pixels, 1))
    return pixels & np.isin(labels, np.unique(labels[outside]))[1:-1, 1:-1]


def _core(inside: np.ndarray, known: np.ndarray, width: float, least: int) -> np.ndarray | None:
    """Readings further from the mask's border than the rim; None where there are too few."""
    to_border = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    while width >= 1:
        core = known & (to_border > width)
        if np.count_nonzero(core) >= least:
            return core
        width *= NARROWER
    return None
