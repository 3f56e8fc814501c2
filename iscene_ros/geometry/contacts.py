"""Where bodies face each other along an axis, and the patches in which they touch or nearly do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from iscene_ros.geometry.ray_columns import STEEPEST, ColumnGrid, Intervals

# A column seldom passes more intervals than this many between two that matter.
NEIGHBOURS = 8

# A patch bears load where its normal is within 60 degrees of the vertical.
BEARING = 0.5

# Standard deviations to which surfaces that face each other are looked at.
REACH = 10.0

# Overlaps deeper than this many standard deviations, and than half of the thinner body there, are
# no contact: the bodies stand beside each other and overlap sideways.
DEEPEST = 3.0

# The closest columns are left out as outliers: so many times the root of their number, but at least
# two. A share of them would leave out the feet of a table.
OUTLIER_ROOTS, LEAST_OUTLIERS = 0.4, 2

# So many standard deviations beyond the closest approach still belong to the patch.
PATCH = 1.0


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

    def selected(self, rows: np.ndarray) -> Facings:
        """Return a selection of the pairs."""
        _, *names = (field.name for field in fields(self))
        return Facings(self.grid, *(getattr(self, name)[rows] for name in names))


def facings(grid: ColumnGrid, intervals: Intervals) -> Facings:
    """Return all pairs of intervals that share a column, the lower one first by their middles."""
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
    """Return (M,) tangents of the angles between surfaces and the plane across the columns."""
    along = np.abs(normal[:, grid.axis]).astype(np.float64)
    return np.sqrt(np.maximum(1.0 - along**2, 0.0)) / np.maximum(along, STEEPEST)


@dataclass(frozen=True)
class Patch:
    """Where one body faces another closely.

    Attributes:
        lower, upper: bodies in the direction of the normal.
        gap: closest approach along the normal, negative = they overlap [m].
        sigma: standard deviation of that gap [m].
        area: of the patch [m^2].
        points: (P, 3) float64 in the patch [m].
        normal: (3,) unit direction from the lower to the upper body.
        share: area in which the bodies face each other closely, as a share of where they face each
            other at all.
    """

    lower: int
    upper: int
    gap: float
    sigma: float
    area: float
    points: np.ndarray
    normal: np.ndarray
    share: float

    @property
    def point(self) -> np.ndarray:
        """(3,) middle of the patch [m]."""
        return self.points.mean(axis=0)


def patches(facings: Sequence[Facings], sigmas: np.ndarray) -> list[Patch]:
    """Return the patches of columns.

    Args:
        facings: along z, where a patch's normal could bear load; or along x and along y, where it
            could not: each then counts where its axis is the nearer one.
        sigmas: (B,) standard deviation of each body's surface [m].
    """
    parts = zip(*(_columns(f, sigmas) for f in facings), strict=True)
    code, gap, points, normal, area, sigma = map(np.concatenate, parts)
    order = np.lexsort((gap, code))
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    found = []
    for rows in np.split(order, starts[1:]):
        if not len(rows):
            continue
        outliers = max(int(OUTLIER_ROOTS * len(rows) ** 0.5), LEAST_OUTLIERS)
        closest = gap[rows[min(outliers, len(rows) - 1)]]
        if closest > REACH * sigma[rows[0]]:
            continue
        near = rows[gap[rows] <= max(closest, 0.0) + PATCH * sigma[rows[0]]]
        lower, upper = divmod(int(code[rows[0]]), len(sigmas))
        mean = (normal[near] * area[near, None]).sum(axis=0)
        length = max(float(np.linalg.norm(mean)), 1e-9)
        found.append(
            Patch(
                lower,
                upper,
                float(closest),
                float(sigma[rows[0]]),
                float(area[near].sum()),
                points[near],
                mean / length,
                len(near) / len(rows),
            )
        )
    return found


def _columns(f: Facings, sigmas: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return what `patches` reads of the columns along one axis.

    Returns:
        Code of the pair of bodies, gap [m], middle [m], normal, area [m^2], and deviation [m].
    """
    sigma, axis = np.hypot(sigmas[f.lower], sigmas[f.upper]), f.grid.axis
    kept = f.is_next & (-f.gap <= np.maximum(DEEPEST * sigma, 0.5 * f.room))
    if axis == 2:
        kept &= f.normal[:, 2] >= BEARING
    else:
        across = np.abs(f.normal[:, 1 - axis])
        kept &= np.abs(f.normal[:, axis]) >= across - 1e-6
        kept &= np.abs(f.normal[:, 2]) < BEARING
    f = f.selected(kept)
    along = np.abs(f.normal[:, axis])
    # Along the normal instead of along the axis, and no larger than it can be.
    gap = np.where(f.gap > 0, np.maximum(f.gap - f.slack, 0.0), f.gap)
    gap = gap * np.maximum(along.astype(np.float64), STEEPEST)
    points = f.grid.points(f.cell, 0.5 * (f.top + f.bottom))
    # The same pair may face each other either way round along x and y.
    swap = (f.lower > f.upper) & (axis < 2)
    code = np.where(swap, f.upper, f.lower) * len(sigmas) + np.where(swap, f.lower, f.upper)
    normal = np.where(swap[:, None], -f.normal, f.normal)
    return code, gap, points, normal, f.grid.spacing**2 / np.maximum(along, 0.2), sigma[kept]
