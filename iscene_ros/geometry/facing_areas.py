"""Where two bodies face each other along an axis, and how far they are apart there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.geometry.ray_columns import STEEPEST, ColumnGrid, Intervals

# A column seldom passes more intervals than this many between two that matter.
NEIGHBOURS = 8


@dataclass(frozen=True)
class Facings:
    """F pairs of intervals of different bodies in the same column.

    Attributes:
        grid: of the columns.
        lower, upper: (F,) int64 bodies in the direction of the axis.
        cell: (F,) int64 column.
        gap: (F,) float64 free length between them, negative where they overlap [m].
        top, bottom: (F,) float64 where the lower one ends and the upper one begins [m].
        room: (F,) float64 the shorter one of the two intervals [m].
        normal: (F, 3) float32 unit direction from the lower surface to the upper one.
        slack: (F,) float64 how much closer the surfaces may come between two columns [m].
        is_next: (F,) bool, nothing else lies between them.
    """

    grid: ColumnGrid
    lower: np.ndarray
    upper: np.ndarray
    cell: np.ndarray
    gap: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    room: np.ndarray
    normal: np.ndarray
    slack: np.ndarray
    is_next: np.ndarray

    def chosen(self, rows: np.ndarray) -> Facings:
        """Some of them."""
        names = ("lower", "upper", "cell", "gap", "top", "bottom", "room", "normal", "slack")
        parts = {name: getattr(self, name)[rows] for name in (*names, "is_next")}
        return Facings(self.grid, **parts)

    @property
    def normal_gap(self) -> np.ndarray:
        """(F,) gap along the normal instead of along the axis, no larger than it can be [m]."""
        along = np.abs(self.normal[:, self.grid.axis]).astype(np.float64)
        closest = np.where(self.gap > 0, np.maximum(self.gap - self.slack, 0.0), self.gap)
        return closest * np.maximum(along, STEEPEST)

    @property
    def points(self) -> np.ndarray:
        """(F, 3) middles between the surfaces [m]."""
        return self.grid.points(self.cell, 0.5 * (self.top + self.bottom))


def facings(grid: ColumnGrid, intervals: Intervals) -> Facings:
    """All pairs of intervals that share a column, the lower one first by their middles."""
    middle = 0.5 * (intervals.low + intervals.high)
    order = np.lexsort((middle, intervals.cell))
    cell, body = intervals.cell[order], intervals.body[order]
    rows = []
    for step in range(1, NEIGHBOURS + 1):
        same = np.flatnonzero(cell[step:] == cell[:-step])
        if not len(same):
            break
        other = same[body[same] != body[same + step]]
        rows.append((order[other], order[other + step], np.full(len(other), step == 1)))
    if not rows:
        rows = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))]
    lower, upper, is_next = (np.concatenate(column) for column in zip(*rows, strict=True))
    top, bottom = intervals.high[lower], intervals.low[upper]
    one, other = intervals.normal_high[lower], intervals.normal_low[upper]
    return Facings(
        grid,
        intervals.body[lower],
        intervals.body[upper],
        intervals.cell[lower],
        bottom - top,
        top,
        bottom,
        np.minimum(top - intervals.low[lower], intervals.high[upper] - bottom),
        _between(one, other),
        0.5 * grid.spacing * np.minimum(_slope(one, grid) + _slope(other, grid), 2.0),
        is_next,
    )


def _between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    total = one - other
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 1e-6, total / np.maximum(length, 1e-6), one)


def _slope(normal: np.ndarray, grid: ColumnGrid) -> np.ndarray:
    """(M,) tangent of the angle between surfaces and the plane across the columns."""
    along = np.abs(normal[:, grid.axis]).astype(np.float64)
    return np.sqrt(np.maximum(1.0 - along**2, 0.0)) / np.maximum(along, STEEPEST)
