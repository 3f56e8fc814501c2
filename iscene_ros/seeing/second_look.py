"""Cubes fitted to what was predicted, for a second look.

The first cubes are fitted to what was seen, with a guess of the room behind it. Where the
prediction needs less room, or more, a better cube shows the instance to the network again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from iscene_ros.seeing.slots import FitOptions, InstanceSlot
from iscene_ros.view_space import Cube


@dataclass(frozen=True)
class SecondLookOptions:
    """When to look again.

    Attributes:
        min_change: a cube whose size and centre would change by less than this share of its size
            is good enough; 1 or more = never look again.
        cut_off_growth: a body that runs into the cube's faces goes on for nobody knows how long;
            its cube becomes longer by this factor.
        most_growth: no cube grows by more than this factor.
    """

    min_change: float = 0.1
    cut_off_growth: float = 1.25
    most_growth: float = 1.5


def slot_around_prediction(
    slot: InstanceSlot, distance: np.ndarray, fit: FitOptions, options: SecondLookOptions
) -> InstanceSlot | None:
    """The slot with a cube around the predicted body; None where the old cube is good enough.

    Args:
        slot: of the first look.
        distance: (R, R, R) predicted in its cube, negative inside.
        fit: margins of cubes.
        options: when to look again.
    """
    box = _box_of_largest_body(distance < 0)
    if box is None:
        return None
    predicted_view = slot.cube.to_view(box / len(distance) - 0.5)
    seen_view = np.quantile(slot.points_view, [fit.trim, 1 - fit.trim], axis=0)
    low = np.minimum(predicted_view[0], seen_view[0])
    high = np.maximum(predicted_view[1], seen_view[1])
    size = fit.margin * float((high - low).max()) + fit.padding
    if box.min() == 0 or box.max() == len(distance):
        size *= options.cut_off_growth
    largest = min(fit.max_size, options.most_growth * slot.cube.size)
    cube = Cube((low + high) / 2, float(np.clip(size, fit.min_size, largest)))
    return None if _change(slot.cube, cube) < options.min_change else replace(slot, cube=cube)


def _change(old: Cube, new: Cube) -> float:
    """Of the centre along an axis or of the size, whichever is more; as a share of the size."""
    moved = float(np.abs(new.center_view - old.center_view).max())
    return max(moved, abs(new.size - old.size)) / old.size


def _box_of_largest_body(inside: np.ndarray) -> np.ndarray | None:
    """(2, 3) first and last-plus-one voxels; None where nothing is inside."""
    parts, count = ndimage.label(inside)
    if not count:
        return None
    largest = int(np.argmax(np.bincount(parts.ravel())[1:]))
    window = ndimage.find_objects(parts)[largest]
    return np.array([[s.start for s in window], [s.stop for s in window]])
