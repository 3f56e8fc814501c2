"""Exact columns of bodies that are unions of convex pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iscene_ros.scene import Mesh

Interval = tuple[float, float]
Columns = dict[tuple[int, int], list[Interval]]


def column_intervals(pieces: Sequence[Mesh], spacing: float, axis: int = 2) -> Columns:
    """Where lines along an axis at multiples of `spacing` lie inside: sorted (low, high) [m].

    Columns are counted along the two other axes in cyclic order.
    """
    found: Columns = {}
    for piece in pieces:
        i, j, low, high = _piece_columns(piece, spacing, axis)
        for row in zip(i.tolist(), j.tolist(), low.tolist(), high.tolist(), strict=True):
            found.setdefault(row[:2], []).append(row[2:])
    return {cell: _joined(sorted(parts)) for cell, parts in found.items()}


def enclosed_share(contained: Sequence[Mesh], container: Sequence[Mesh], spacing: float) -> float:
    """Share of a body's volume that another one encloses along two of the three axes at least."""
    one, other = (np.concatenate([p.vertices for p in pieces]) for pieces in (contained, container))
    if np.any(one.min(axis=0) > other.max(axis=0)) or np.any(other.min(axis=0) > one.max(axis=0)):
        return 0.0
    points = _lattice(contained, spacing)
    enclosed = np.zeros(len(points), np.int64)
    for axis in range(3):
        columns = column_intervals(container, spacing, axis)
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for row, (i, j, along) in enumerate(points[:, [u, v, axis]].tolist()):
            parts = columns.get((i, j))
            if parts and parts[0][0] < along * spacing < parts[-1][1]:
                enclosed[row] += 1
    return float(np.mean(enclosed >= 2)) if len(points) else 0.0


def _lattice(pieces: Sequence[Mesh], spacing: float) -> np.ndarray:
    """(M, 3) int64 multiples of the spacing within a body."""
    points = [
        (i, j, k)
        for (i, j), parts in column_intervals(pieces, spacing).items()
        for low, high in parts
        for k in range(int(np.ceil(low / spacing)), int(np.floor(high / spacing)) + 1)
    ]
    return np.array(points, np.int64).reshape(-1, 3)


def _piece_columns(
    piece: Mesh, spacing: float, axis: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Column indices (M,), (M,) and where (M,), (M,) they enter and leave a convex piece [m]."""
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
    return i[hit], j[hit], below[hit], above[hit]


def _half_spaces(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normals (F, 3) and offsets (F,): n . p + d <= 0 within."""
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1)
    kept = length > 1e-14
    normals = normals[kept] / length[kept, None]
    return normals, -np.einsum("fi,fi->f", normals, a[kept])


def _joined(parts: list[Interval]) -> list[Interval]:
    joined = [parts[0]]
    for low, high in parts[1:]:
        if low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined
