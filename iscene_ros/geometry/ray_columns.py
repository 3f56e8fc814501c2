"""Bodies cut into columns along an axis: where each column enters and leaves them.

Two bodies that touch, overlap, or face each other are neighbours in some column. All columns of all
bodies are found and compared at once, so that the time grows with their surfaces, not with pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from iscene_ros.geometry.bodies import Body

# Columns never run exactly through an edge of an axis-aligned box.
OFFSET = np.array([0.12345, 0.37193, 0.25311])

# Column coordinates are packed into one integer.
BITS = 20
HALF = 1 << (BITS - 1)

# Triangles are cut into column candidates in batches of about this many.
BATCH = 2_000_000

# A normal with a smaller share along the axis counts as having this one: a wall seen edge-on.
STEEPEST = 0.05


@dataclass(frozen=True)
class Intervals:
    """I parts of columns that lie inside of a body.

    Attributes:
        body: (I,) int64 index of the body.
        cell: (I,) int64 column.
        low, high: (I,) float64 coordinates along the axis [m].
        normal_low, normal_high: (I, 3) float32 outward unit normals where it enters and leaves.
    """

    body: np.ndarray
    cell: np.ndarray
    low: np.ndarray
    high: np.ndarray
    normal_low: np.ndarray
    normal_high: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Intervals]) -> Intervals:
        """Return all intervals of the parts together."""
        parts = [_NO_INTERVALS, *parts]
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


_NO_INTERVALS = Intervals(
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0),
    np.zeros(0),
    np.zeros((0, 3), np.float32),
    np.zeros((0, 3), np.float32),
)


@dataclass(frozen=True)
class Triangles:
    """All triangles of some bodies.

    Attributes:
        corners: (3, 3, T) float64, coordinates x, y, z of the three corners [m]; plain arrays are
            several times faster than rows of three.
        body: (T,) int64 index; normals: (3, T) float32 unit.
    """

    corners: np.ndarray
    body: np.ndarray
    normals: np.ndarray

    @classmethod
    def of(cls, bodies: Sequence[Body]) -> Triangles:
        """Return the triangles of all bodies, one body after the other."""
        counts = [len(body.vertices) for body in bodies]
        starts = np.cumsum([0, *counts[:-1]])
        parts = [body.faces + start for body, start in zip(bodies, starts, strict=False)]
        faces = np.concatenate([*parts, np.zeros((0, 3), np.int64)])
        vertices = np.concatenate([*(body.vertices for body in bodies), np.zeros((0, 3))])
        index = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        corners = np.ascontiguousarray(vertices.T)[:, np.ascontiguousarray(faces.T)]
        ((ax, ay, az), (bx, by, bz)) = (corners[:, i] - corners[:, 0] for i in (1, 2))
        normal = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
        length = np.sqrt(np.einsum("it,it->t", normal, normal))
        return cls(corners, index, (normal / np.maximum(length, 1e-30)).astype(np.float32))


@dataclass(frozen=True)
class ColumnGrid:
    """Columns along one of the axes x, y, z.

    Attributes:
        axis: 0, 1 or 2.
        spacing: between neighbouring columns [m].
    """

    axis: int
    spacing: float

    @property
    def across(self) -> tuple[int, int]:
        """The two other axes, such that (across, axis) is right-handed."""
        return (self.axis + 1) % 3, (self.axis + 2) % 3

    def positions(self, cells: np.ndarray) -> np.ndarray:
        """Return the coordinates (M, 2) of columns along the two other axes [m]."""
        first, second = (cells >> BITS) - HALF, (cells & ((1 << BITS) - 1)) - HALF
        offset = OFFSET[list(self.across)]
        return (np.column_stack([first, second]) + offset) * self.spacing

    def points(self, cells: np.ndarray, along: np.ndarray) -> np.ndarray:
        """Return points (M, 3) in columns at coordinates along the axis [m]."""
        points = np.empty((len(cells), 3))
        points[:, list(self.across)] = self.positions(cells)
        points[:, self.axis] = along
        return points

    def intervals(self, triangles: Triangles) -> Intervals:
        """Return the intervals of all columns inside of the bodies."""
        offset = OFFSET[list(self.across), None, None]
        plane = triangles.corners[list(self.across)] / self.spacing - offset
        along, slope = triangles.corners[self.axis], triangles.normals[self.axis]
        first = np.ceil(plane.min(axis=1)).astype(np.int64)
        count = np.floor(plane.max(axis=1)).astype(np.int64) - first + 1
        candidates = np.maximum(count[0], 0) * np.maximum(count[1], 0)
        kept = np.flatnonzero((candidates > 0) & (np.abs(slope) > 1e-6))
        parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
        total = np.cumsum(candidates[kept])
        cuts = np.arange(BATCH, total[-1] if len(total) else 0, BATCH)
        for batch in np.split(kept, np.searchsorted(total, cuts)):
            if len(batch):
                parts.append(_cut(plane, along, first, count, candidates, batch))
        triangle, cell, where = (np.concatenate(column) for column in zip(*parts, strict=True))
        return _paired(triangles, triangle, cell, where, slope[triangle] < 0)


def _cut(
    plane: np.ndarray,
    along: np.ndarray,
    first: np.ndarray,
    count: np.ndarray,
    candidates: np.ndarray,
    batch: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return triangle, column and coordinate along the axis of each crossing of a batch."""
    repeats = candidates[batch]
    start = np.repeat(np.cumsum(repeats) - repeats, repeats)
    i, j = np.divmod(np.arange(len(start)) - start, np.repeat(count[1, batch], repeats))
    i += np.repeat(first[0, batch], repeats)
    j += np.repeat(first[1, batch], repeats)
    a, b, c = plane[:, :, batch].transpose(1, 0, 2)
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    is_edge_on = np.abs(area) < 1e-12
    scale = 1.0 / np.where(is_edge_on, np.inf, area)
    weights = []
    for p, q in ((b, c), (c, a)):
        # The share of the opposite corner is linear in the column's coordinates.
        du, dv = -(q[1] - p[1]) * scale, (q[0] - p[0]) * scale
        constant = np.where(is_edge_on, -1.0, -(du * p[0] + dv * p[1]))
        weights.append(
            np.repeat(du, repeats) * i + np.repeat(dv, repeats) * j + np.repeat(constant, repeats)
        )
    wa, wb = weights
    inside = np.flatnonzero((wa >= 0) & (wb >= 0) & (wa + wb <= 1))
    triangle, wa, wb = np.repeat(batch, repeats)[inside], wa[inside], wb[inside]
    za, zb, zc = along[:, triangle]
    where = zc + wa * (za - zc) + wb * (zb - zc)
    return triangle, ((i[inside] + HALF) << BITS) | (j[inside] + HALF), where


def _paired(
    triangles: Triangles,
    triangle: np.ndarray,
    cell: np.ndarray,
    where: np.ndarray,
    enters: np.ndarray,
) -> Intervals:
    """Return the intervals between crossings: inside is where more shells were entered than left.

    A column through an open mesh has no inside; it counts from its first to its last crossing.

    Args:
        triangles: of all bodies.
        triangle, cell, where: (C,) triangle, column and coordinate along the axis of each crossing.
        enters: (C,) bool, whether the column enters the body there.
    """
    column = (triangles.body[triangle] << (2 * BITS)) | cell
    order = np.lexsort((where, column))
    column, along, step = column[order], where[order], np.where(enters[order], 1, -1)
    new = np.ones(len(order), bool)
    new[1:] = column[1:] != column[:-1]
    first = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    depth = np.cumsum(step)
    depth -= (depth[first] - step[first])[group]
    last = np.append(first[1:], len(order))[: len(first)] - 1
    is_broken = depth[last] != 0
    is_broken[group[depth < 0]] = True
    broken = is_broken[group]
    is_last = np.zeros(len(order), bool)
    is_last[last] = True
    begin = np.flatnonzero(np.where(broken, new, (depth == 1) & (step == 1)))
    end = np.flatnonzero(np.where(broken, is_last, (depth == 0) & (step == -1)))
    body, cell = column[begin] >> (2 * BITS), column[begin] & ((1 << (2 * BITS)) - 1)
    low, high = (triangles.normals[:, triangle[order[ends]]].T for ends in (begin, end))
    return Intervals(body, cell, along[begin], along[end], low, high)
