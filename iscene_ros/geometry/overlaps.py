"""How bodies lie over one another and enclose one another, seen in their columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from iscene_ros.geometry.contact_patches import DEEPEST
from iscene_ros.geometry.ray_columns import BITS, HALF, OFFSET, Intervals
from iscene_ros.geometry.scene_geometry import SceneGeometry

# Points inside a body at which it is asked whether another one encloses it.
ENCLOSED_POINTS = 250


@dataclass(frozen=True)
class Overhang:
    """One body over another one.

    Attributes:
        lower, upper: bodies.
        area: over which the upper one lies above the lower one [m^2].
        share: of the lower one's outline seen from above, in [0, 1].
        reach: half of the overlap's width where it is widest: about how far the bodies would have
            to move sideways to pass each other [m].
        gap: smallest free height between them [m].
        sigma: standard deviation of the surfaces [m].
    """

    lower: int
    upper: int
    area: float
    share: float
    reach: float
    gap: float
    sigma: float


def overhangs(geometry: SceneGeometry) -> list[Overhang]:
    """Every pair of bodies of which one lies above the other somewhere."""
    f = geometry.facings[2]
    sigma = np.hypot(geometry.sigmas[f.lower], geometry.sigmas[f.upper])
    above = -f.gap <= np.maximum(DEEPEST * sigma, 0.5 * f.room)
    above &= f.lower != geometry.environment
    f, sigma = f.chosen(above), sigma[above]
    footprint = footprint_cells(geometry)
    found = []
    for rows, lower, upper in _groups(f.lower, f.upper, len(geometry.sigmas)):
        cells = np.unique(f.cell[rows])
        found.append(
            Overhang(
                lower,
                upper,
                len(cells) * geometry.spacing**2,
                len(cells) / max(int(footprint[lower]), 1),
                geometry.spacing * _half_width(cells),
                float(f.gap[rows].min()),
                float(sigma[rows[0]]),
            )
        )
    return found


def footprint_cells(geometry: SceneGeometry) -> np.ndarray:
    """(B + 1,) number of vertical columns through each body."""
    intervals = geometry.intervals[2]
    pairs = np.unique((intervals.body << (2 * BITS)) | intervals.cell)
    return np.bincount(pairs >> (2 * BITS), minlength=len(geometry.sigmas))


class Spans:
    """Where the columns of each body begin and end, along each axis."""

    def __init__(self, geometry: SceneGeometry) -> None:
        self._geometry = geometry
        self._spans = [_spans(i, len(geometry.sigmas)) for i in geometry.intervals]
        self._points: dict[int, np.ndarray] = {}

    def enclosed_share(self, contained: int, container: int) -> float:
        """Share of a body's volume that another one encloses along two of three axes at least."""
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
        """(M, 3) points spread evenly over a body's volume [m]."""
        return (self._lattice(body) + OFFSET) * self._geometry.spacing

    def _lattice(self, body: int) -> np.ndarray:
        """(M, 3) int64 lattice points of all axes' columns inside of a body, evenly thinned."""
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


def _groups(lower: np.ndarray, upper: np.ndarray, bodies: int):
    """Rows of each pair, and the pair."""
    code = lower * bodies + upper
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        if len(rows):
            yield rows, *(int(part) for part in divmod(code[rows[0]], bodies))


def _half_width(cells: np.ndarray) -> float:
    """Largest distance of one of the columns to a column that is not one of them, in columns."""
    index = np.column_stack([cells >> BITS, cells & ((1 << BITS) - 1)])
    index = index - index.min(axis=0) + 1
    mask = np.zeros(index.max(axis=0) + 2, bool)
    mask[tuple(index.T)] = True
    return float(ndimage.distance_transform_edt(mask).max())
