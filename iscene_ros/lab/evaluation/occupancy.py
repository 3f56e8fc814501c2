"""Which centres of a grid lie inside a body: closed meshes by scan lines, solids by distance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from iscene_ros.core.scene import Mesh

Occupancy = Callable[["Grid"], np.ndarray]


@dataclass(frozen=True)
class Grid:
    """Points at equal distances along three axes.

    Attributes:
        origin: (3,) float64, the first point [m].
        spacing: distance between neighbours [m].
        shape: number of points along x, y, z.
    """

    origin: np.ndarray
    spacing: float
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, lower: np.ndarray, upper: np.ndarray, resolution: int) -> Grid:
        """Voxel centres of a box (corners (3,) [m]) whose longest edge has `resolution` voxels."""
        extent = np.maximum(np.asarray(upper, np.float64) - lower, 0)
        spacing = max(float(extent.max()), 1e-6) / resolution
        counts = np.maximum(np.ceil(extent / spacing - 1e-9), 1).astype(int)
        first = 0.5 * (np.asarray(lower) + upper) - 0.5 * (counts - 1) * spacing
        return cls(first, spacing, (int(counts[0]), int(counts[1]), int(counts[2])))

    def points(self) -> np.ndarray:
        """(X, Y, Z, 3) float64 [m]."""
        axes = [self.origin[i] + self.spacing * np.arange(self.shape[i]) for i in range(3)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    def part(self, lower: np.ndarray, upper: np.ndarray) -> tuple[Grid, tuple[slice, slice, slice]]:
        """The points of this grid within a box (corners (3,) [m]) and where they lie in it."""
        first = np.floor((np.asarray(lower) - self.origin) / self.spacing).astype(int)
        last = np.ceil((np.asarray(upper) - self.origin) / self.spacing).astype(int) + 1
        first, last = np.clip(first, 0, self.shape), np.clip(last, 0, self.shape)
        last = np.maximum(first, last)
        sx, sy, sz = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        counts = (sx.stop - sx.start, sy.stop - sy.start, sz.stop - sz.start)
        return Grid(self.origin + first * self.spacing, self.spacing, counts), (sx, sy, sz)


def solid_occupancy(distance: Callable[[np.ndarray], np.ndarray]) -> Occupancy:
    """Occupancy of a signed distance function (M, 3) -> (M,), negative inside."""
    return lambda grid: (distance(grid.points().reshape(-1, 3)) < 0).reshape(grid.shape)


def mesh_occupancy(mesh: Mesh) -> Occupancy:
    """Occupancy of a closed, outward oriented mesh: points with a positive winding number."""
    return lambda grid: _winding_number(mesh, grid) > 0


def _winding_number(mesh: Mesh, grid: Grid) -> np.ndarray:
    """(X, Y, Z) int32: surfaces left minus surfaces entered by the ray from each point along +z.

    Exact at every point: a column of points that meets an edge or a vertex is treated as if it
    stood an infinitesimal (d, d^2) beside it.
    """
    corners = (mesh.vertices.astype(np.float64) - grid.origin)[mesh.faces] / grid.spacing
    face, column_x, column_y = _columns_below(corners, grid.shape)
    a, b, c = np.moveaxis(corners[face], 1, 0)
    x, y = column_x.astype(np.float64), column_y.astype(np.float64)
    area_a, side_a = _edge(b, c, x, y)
    area_b, side_b = _edge(c, a, x, y)
    area_c, side_c = _edge(a, b, x, y)
    hit = (side_a == side_b) & (side_b == side_c) & (side_a != 0)
    area = np.stack([area_a, area_b, area_c])[:, hit]
    heights = np.stack([a[hit, 2], b[hit, 2], c[hit, 2]])
    with np.errstate(divide="ignore", invalid="ignore"):
        height = (area * heights).sum(axis=0) / area.sum(axis=0)
    # Triangles seen edge-on have no plane over the column; any height within them is as good.
    height = np.where(np.isfinite(height), height, heights[0])
    height = np.clip(height, heights.min(axis=0), heights.max(axis=0))
    return _sum_above(column_x[hit], column_y[hit], height, side_a[hit], grid.shape)


def _columns_below(
    corners: np.ndarray, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For (F, 3, 3) triangles in grid units all pairs (face, x, y) that may meet."""
    low = np.clip(np.ceil(corners[..., :2].min(axis=1)), 0, shape[:2]).astype(np.int64)
    high = np.clip(np.floor(corners[..., :2].max(axis=1)) + 1, 0, shape[:2]).astype(np.int64)
    width, depth = np.maximum(high - low, 0).T
    count = width * depth
    face = np.repeat(np.arange(len(corners)), count)
    index = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    return face, low[face, 0] + index // depth[face], low[face, 1] + index % depth[face]


def _edge(
    start: np.ndarray, end: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Doubled area (M,) of the triangle edge - column, and on which side the column lies (+-1).

    Computed from the lexicographically smaller end, so that two triangles agree on their edge.
    """
    swap = (end[:, 0] < start[:, 0]) | ((end[:, 0] == start[:, 0]) & (end[:, 1] < start[:, 1]))
    first = np.where(swap[:, None], end, start)
    dx, dy = (np.where(swap[:, None], start, end) - first)[:, :2].T
    area = dx * (y - first[:, 1]) - dy * (x - first[:, 0])
    side = np.sign(area)
    side = np.where(side == 0, np.where(dy == 0, np.sign(dx), -np.sign(dy)), side)
    sign = np.where(swap, -1.0, 1.0)
    return area * sign, (side * sign).astype(np.int32)


def _sum_above(
    column_x: np.ndarray,
    column_y: np.ndarray,
    height: np.ndarray,
    sign: np.ndarray,
    shape: tuple[int, int, int],
) -> np.ndarray:
    """(X, Y, Z): the sum of the signs of all crossings higher than the point."""
    above = np.clip(np.ceil(height), 0, shape[2]).astype(np.int64)
    levels = shape[2] + 1
    flat = (column_x * shape[1] + column_y) * levels + above
    summed = np.bincount(flat, weights=sign, minlength=shape[0] * shape[1] * levels)
    crossings = summed.astype(np.int32).reshape(shape[0], shape[1], levels)
    return crossings[..., ::-1].cumsum(axis=-1)[..., ::-1][..., 1:]
