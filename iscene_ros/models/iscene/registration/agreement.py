"""How well a prediction agrees with a view, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iscene_ros.models.iscene.registration.fit_view import FitView
from iscene_ros.models.iscene.registration.options import PlacementOptions
from iscene_ros.models.iscene.registration.rendered_shapes import SeenShape

# A reading agrees within this share of the object's visible size, and so many deviations.
AGREEING_SHARE = 0.1
AGREEING_NOISE = 3.0
# Masks are off by so many pixels of the original, but not by more than this share of their size.
OUTLINE_PIXELS, OUTLINE_SHARE = 3.0, 0.15
# Of pixels outside of the mask without a reading.
UNREAD_WEIGHT = 0.5


def visible_size(mask: np.ndarray, depth: float, view: FitView) -> float:
    """Square root of the area of an (h, w) mask at a depth [m]."""
    focal = np.sqrt(view.camera.k[0, 0] * view.camera.k[1, 1])
    return float(np.sqrt(mask.sum()) * depth / focal)


def agreements(seen: Sequence[SeenShape], view: FitView, options: PlacementOptions) -> np.ndarray:
    """(N,) share of each shape's pixels that agree, in [0, 1].

    They are the pixels of its mask and those that it would cover, but for those close to the
    mask's outline, and those in which something nearer is seen or another object in its place.
    They agree where both cover them, and no reading says otherwise.
    """
    owners = view.masks.sum(axis=0)
    return np.array([_agreement(s, number, owners, view, options) for number, s in enumerate(seen)])


def _agreement(
    shape: SeenShape, number: int, owners: np.ndarray, view: FitView, options: PlacementOptions
) -> float:
    if not len(shape.pixels):
        return 0.0
    mask, distance = view.masks[number], view.outlines[number].distance
    middle = float(np.median(shape.depth))
    allowed = AGREEING_SHARE * visible_size(mask, middle, view)
    allowed += AGREEING_NOISE * options.reading_noise(middle)
    reading = view.depth.reshape(-1)[shape.pixels]
    behind = np.where(reading > 0, reading - shape.depth, 0.0)
    inside = mask.reshape(-1)[shape.pixels]
    # Another object's pixel tells nothing unless the reading lies behind.
    taken = (owners - mask).reshape(-1)[shape.pixels] > 0
    hidden = (behind < -allowed) | (taken & (behind <= allowed))
    strip = min(OUTLINE_PIXELS / view.stride, OUTLINE_SHARE * float(np.sqrt(mask.sum())))
    outside = ~inside & ~hidden & (distance.reshape(-1)[shape.pixels] > strip)
    # What has no reading outside might hide the shape, or might be the open space beside it.
    open_weight = np.where((reading > 0) | ~view.depth.any(), 1.0, UNREAD_WEIGHT)
    covered = np.zeros(mask.size, bool)
    covered[shape.pixels] = True
    missed = np.count_nonzero((mask & (distance < -strip)).reshape(-1) & ~covered)
    agreeing = np.count_nonzero(inside & (np.abs(behind) <= allowed))
    counted = np.count_nonzero(inside) + missed + float(open_weight[outside].sum())
    return agreeing / counted if counted else 0.0
