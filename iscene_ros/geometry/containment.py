"""How much of a body lies in the cavity of another one, such as a vessel."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from iscene_ros.geometry.ray_columns import BITS, HALF, OFFSET, Intervals
from iscene_ros.geometry.scene_geometry import SceneGeometry

# Points inside a body at which is tested whether another one encloses it.
ENCLOSED_POINTS = 250


def containment_shares(geometry: SceneGeometry) -> dict[tuple[int, int], float]:
    """Return the share of a body's volume that lies in the cavity of another one, in [0, 1].

    The cavity of an exact mesh is what it encloses along two of three axes. Walls of completed
    meshes have gaps; their cavity is the convex hull of the surface and of the observed points.

    Returns:
        Shares by (contained, container) of all bodies whose boxes overlap.
    """
    corners = [np.concatenate([b.observed, [b.low, b.high]]) for b in geometry.bodies]
    low = np.array([points.min(axis=0) for points in corners]).reshape(-1, 3)
    high = np.array([points.max(axis=0) for points in corners]).reshape(-1, 3)
    overlaps = np.all((low[:, None] < high[None]) & (low[None] < high[:, None]), axis=2)
    np.fill_diagonal(overlaps, False)
    spans = Spans(geometry)
    hulls: dict[int, np.ndarray] = {}
    shares = {}
    for contained, container in np.argwhere(overlaps).tolist():
        body = geometry.bodies[container]
        if body.is_exact:
            shares[contained, container] = spans.enclosed_share(contained, container)
            continue
        if container not in hulls:
            points = np.concatenate([body.points, body.observed])
            hulls[container] = np.max(points @ DIRECTIONS.T, axis=0)
        points = spans.points(contained)
        inside = np.all(points @ DIRECTIONS.T <= hulls[container], axis=1)
        shares[contained, container] = float(inside.mean()) if len(points) else 0.0
    return shares


class Spans:
    """Where the columns of each body begin and end, along each axis."""

    def __init__(self, geometry: SceneGeometry) -> None:
        self._geometry = geometry
        self._points: dict[int, np.ndarray] = {}

    @cached_property
    def _spans(self) -> list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
        """Cells, lowest and highest coordinates of each body, along each axis."""
        return [_spans(i, len(self._geometry.sigmas)) for i in self._geometry.intervals]

    def enclosed_share(self, contained: int, container: int) -> float:
        """Return the share of a body's volume that another one encloses along two axes at least."""
        points = self._lattice(contained)
        if not len(points):
            return 0.0
        enclosed = np.zeros(len(points), np.int64)
        for axis in range(3):
            cells, low, high = self._spans[axis][container]
            if not len(cells):
                continue
            u, v = points[:, (axis + 1) % 3], points[:, (axis + 2) % 3]
            code = ((u + HALF) << BITS) | (v + HALF)
            row = np.minimum(np.searchsorted(cells, code), len(cells) - 1)
            along = (points[:, axis] + OFFSET[axis]) * self._geometry.spacing
            enclosed += (cells[row] == code) & (low[row] < along) & (along < high[row])
        return float(np.mean(enclosed >= 2))

    def points(self, body: int) -> np.ndarray:
        """Return points (M, 3) spread evenly over a body's volume [m]."""
        return (self._lattice(body) + OFFSET) * self._geometry.spacing

    def _lattice(self, body: int) -> np.ndarray:
        """Return int64 lattice points (M, 3) of the columns inside of a body, evenly thinned."""
        if body not in self._points:
            intervals = self._geometry.intervals[2]
            rows = np.flatnonzero(intervals.body == body)
            spacing = self._geometry.spacing
            first = np.ceil(intervals.low[rows] / spacing - OFFSET[2]).astype(np.int64)
            last = np.floor(intervals.high[rows] / spacing - OFFSET[2]).astype(np.int64)
            count = np.maximum(last - first + 1, 0)
            total = int(count.sum())
            chosen = np.linspace(0, total - 1, min(total, ENCLOSED_POINTS)).astype(np.int64)
            ends = np.cumsum(count)
            row = np.searchsorted(ends, chosen, side="right")
            height = first[row] + chosen - (ends[row] - count[row])
            cell = intervals.cell[rows][row]
            u, v = (cell >> BITS) - HALF, (cell & ((1 << BITS) - 1)) - HALF
            self._points[body] = np.column_stack([u, v, height])
        return self._points[body]


def _spans(intervals: Intervals, bodies: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    order = np.lexsort((intervals.low, intervals.cell, intervals.body))
    body, cell = intervals.body[order], intervals.cell[order]
    new = np.ones(len(order), bool)
    new[1:] = (body[1:] != body[:-1]) | (cell[1:] != cell[:-1])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(order)) - 1
    low, high = intervals.low[order][first], intervals.high[order][last[: len(first)]]
    borders = np.searchsorted(body[first], np.arange(bodies + 1))
    cells = cell[first]
    return [
        (cells[a:b], low[a:b], high[a:b]) for a, b in zip(borders[:-1], borders[1:], strict=True)
    ]


def _sphere(count: int) -> np.ndarray:
    """Return directions (count, 3) spread evenly over the sphere (Fibonacci lattice)."""
    number = np.arange(count) + 0.5
    z = 1 - 2 * number / count
    angle = np.pi * (1 + 5**0.5) * number
    radius = np.sqrt(1 - z * z)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), z])


# A hull is described by how far it reaches in these directions.
DIRECTIONS = np.concatenate([np.eye(3), -np.eye(3), _sphere(122)])
