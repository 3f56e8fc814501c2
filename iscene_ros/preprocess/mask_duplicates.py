"""Instances that are found twice: masks that are nearly the same show one thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Masks of one thing by two detections overlap by this much (IoU) or more; the boxes around them by
# this much, as single pixels may stray.
SAME_MASK, SAME_BOX = 0.7, 0.35


def duplicate_of(masks: Sequence[np.ndarray], scores: Sequence[float]) -> dict[int, int]:
    """Return the rows of masks that show what another row shows, each with that other row.

    Of nearly the same masks the one with the better score stays, of equal scores the first.

    Args:
        masks: N of (H, W) bool.
        scores: N detection scores.
    """
    boxes = np.array([_box(mask) for mask in masks], np.float64).reshape(-1, 2, 2)
    found: dict[int, int] = {}
    kept: list[int] = []
    for row in sorted(range(len(masks)), key=lambda row: (-scores[row], row)):
        near = np.array(kept, np.int64)[_overlap(boxes[row], boxes[kept]) >= SAME_BOX]
        for other in near.tolist():
            union = np.count_nonzero(masks[row] | masks[other])
            if union and np.count_nonzero(masks[row] & masks[other]) >= SAME_MASK * union:
                found[row] = other
                break
        else:
            kept.append(row)
    return found


def _box(mask: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first row and column of a mask, and those behind the last; zeros if empty."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return (0, 0), (0, 0)
    return (rows[0], columns[0]), (rows[-1] + 1, columns[-1] + 1)


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the (N,) IoU of a box (2, 2) with others (N, 2, 2)."""
    low, high = np.maximum(box[0], others[:, 0]), np.minimum(box[1], others[:, 1])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    union = np.prod(box[1] - box[0]) + np.prod(others[:, 1] - others[:, 0], axis=1) - common
    return common / np.maximum(union, 1)
