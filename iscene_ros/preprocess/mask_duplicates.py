"""Instances that are found twice: masks that are nearly the same show one thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Masks of one thing by two detections overlap by this much (IoU) or more.
SAME_MASK = 0.7


def duplicate_of(masks: Sequence[np.ndarray], scores: Sequence[float]) -> dict[int, int]:
    """Return the rows of masks that show what another row shows, each with that other row.

    Of nearly the same masks the one with the better score stays, of equal scores the first.

    Args:
        masks: N of (H, W) bool.
        scores: N detection scores.
    """
    sizes = [int(np.count_nonzero(mask)) for mask in masks]
    found: dict[int, int] = {}
    kept: list[int] = []
    for row in sorted(range(len(masks)), key=lambda row: (-scores[row], row)):
        same = next((other for other in kept if _same(masks, sizes, row, other)), None)
        if same is None:
            kept.append(row)
        else:
            found[row] = same
    return found


def _same(masks: Sequence[np.ndarray], sizes: Sequence[int], one: int, other: int) -> bool:
    small, large = sorted((sizes[one], sizes[other]))
    if small < SAME_MASK * large or not small:
        return False
    common = int(np.count_nonzero(masks[one] & masks[other]))
    return common >= SAME_MASK * (small + large - common)
