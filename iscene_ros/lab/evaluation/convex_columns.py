"""Exact columns of bodies that are unions of convex pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iscene_ros.core.scene import Mesh

# Column indices are packed into one integer.
BITS = 20
HALF = 1 << (BITS - 1)


@dataclass(frozen=True)
class Columns:
    """Where lines along an axis at multiples of a spacing lie inside, sorted by line and height.

    Attributes:
        cell: (I,) int64 line, packed; low, high: (I,) float64 [m].
    """

    cell: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def spans(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lines (C,), where each first enters (C,) and where it last leaves (C,) the body."""
        cells, first = np.unique(self.cell, return_index=True)
        last = np.append(first[1:], len(self.cell)) - 1
        return cells, self.low[first], self.high[last]

    @property
    def indices(self) -> np.ndarray:
        """(I, 2) int64 column indices along the two other axes, in cyclic order."""
        return unpacked(self.cell)


def unpacked(cells: np.ndarray) -> np.ndarray:
    """(M, 2) column indices of packed lines."""
    return np.column_stack([(cells >> BITS) - HALF, (cells & ((1 << BITS) - 1)) - HALF])


class ConvexBody:
    """A union of convex pieces and its columns, each cut once.

    Attributes:
        low, high: (3,) float64 corners of its box [m].
    """

    def __init__(self, pieces: Sequence[Mesh]) -> None:
        self.pieces = pieces
        vertices = np.concatenate([piece.vertices for piece in pieces])
        self.low, self.high = vertices.min(axis=0), vertices.max(axis=0)
        self._columns: dict[tuple[float, int], Columns] = {}

    def columns(self, spacing: float, axis: int = 2) -> Columns:
        """Columns along an axis."""
        if (spacing, axis) not in self._columns:
            parts = [_piece_columns(piece, spacing, axis) for piece in self.pieces]
            self._columns[spacing, axis] = _joined(*map(np.concatenate, zip(*parts, strict=True)))
        return self._columns[spacing, axis]

    def overlaps(self, other: ConvexBody) -> bool:
        """Whether the boxes overlap as seen from above."""
        return bool(
            np.all(self.low[:2] <= other.high[:2]) and np.all(other.low[:2] <= self.high[:2])
        )


def enclosed_share(contained: ConvexBody, container: ConvexBody, spacing: float) -> float:
    """Share of a body's volume that another one encloses along two of the three axes at least."""
    points = _lattice(contained.columns(spacing), spacing)
    if not len(points) or np.any(contained.low > container.high):
        return 0.0
    enclosed = np.zeros(len(points), np.int64)
    for axis in range(3):
        cells, low, high = container.columns(spacing, axis).spans
        if not len(cells):
            continue
        u, v = points[:, (axis + 1) % 3], points[:, (axis + 2) % 3]
        code = ((u + HALF) << BITS) | (v + HALF)
        row = np.minimum(np.searchsorted(cells, code), len(cells) - 1)
        along = points[:, axis] * spacing
        enclosed += (cells[row] == code) & (low[row] < along) & (along < high[row])
    return float(np.mean(enclosed >= 2))


def _lattice(columns: Columns, spacing: float) -> np.ndarray:
    """(M, 3) int64 multiples of the spacing within a body."""
    first = np.ceil(columns.low / spacing).astype(np.int64)
    count = np.maximum(np.floor(columns.high / spacing).astype(np.int64) - first + 1, 0)
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.column_stack(
        [np.repeat(columns.indices, count, axis=0), np.repeat(first, count) + number]
    )


def _piece_columns(
    piece: Mesh, spacing: float, axis: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Packed lines (M,) and where (M,), (M,) they enter and leave a convex piece [m]."""
    order = [(axis + 1) % 3, (axis + 2) % 3, axis]
    vertices = piece.vertices[:, order].astype(np.float64)
    normals, offsets = _half_spaces(piece.vertices.astype(np.float64), piece.faces)
    normals = normals[:, order]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    axes = [
        np.arange(int(np.ceil(low[k] / spacing)), int(np.floor(high[k] / spacing)) + 1)
        for k in range(2)
    ]
    i, j = (part.ravel() for part in np.meshgrid(*axes, indexing="ij"))
    right = -(np.outer(i * spacing, normals[:, 0]) + np.outer(j * spacing, normals[:, 1]) + offsets)
    up, down = normals[:, 2] > 1e-7, normals[:, 2] < -1e-7
    flat = ~up & ~down
    above = np.min(right[:, up] / normals[up, 2], axis=1, initial=np.inf)
    below = np.max(right[:, down] / normals[down, 2], axis=1, initial=-np.inf)
    hit = (above > below) & np.all(right[:, flat] >= 0, axis=1)
    return ((i[hit] + HALF) << BITS) | (j[hit] + HALF), below[hit], above[hit]


def _half_spaces(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normals (F, 3) and offsets (F,): n . p + d <= 0 within."""
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1)
    kept = length > 1e-14
    normals = normals[kept] / length[kept, None]
    return normals, -np.einsum("fi,fi->f", normals, a[kept])


def _joined(cell: np.ndarray, low: np.ndarray, high: np.ndarray) -> Columns:
    """Overlapping intervals of a line as one."""
    where, lines = np.concatenate([low, high]), np.concatenate([cell, cell])
    step = np.repeat([1, -1], len(cell))
    order = np.lexsort((-step, where, lines))
    depth = np.cumsum(step[order])
    begins = (depth == 1) & (step[order] == 1)
    ends = depth == 0
    return Columns(lines[order][begins], where[order][begins], where[order][ends])
