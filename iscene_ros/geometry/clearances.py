"""Free space between bodies: the gaps of near pairs, and what lies over what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from iscene_ros.geometry.contacts import DEEPEST
from iscene_ros.geometry.ray_columns import BITS, ColumnGrid
from iscene_ros.geometry.scene_geometry import SceneGeometry

# Points of a surface among which the closest ones of two bodies are looked for.
POINTS = 400


@dataclass(frozen=True)
class Gap:
    """Two bodies that are near each other.

    Attributes:
        one, other: bodies, one < other.
        length: distance of their surfaces, 0 where they touch or overlap [m].
        limit: up to which they count as near [m].
        point: (3,) in the middle of the gap [m].
    """

    one: int
    other: int
    length: float
    limit: float
    point: np.ndarray


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


def near_gaps(geometry: SceneGeometry) -> list[Gap]:
    """Return all pairs of objects that are closer than half of the size of the smaller one.

    Candidates come from the boxes; those pairs that touch already are not measured again.
    """
    touching = {}
    for patch in (*geometry.bearing, *geometry.sideways):
        if geometry.environment in (patch.lower, patch.upper):
            continue
        pair = (min(patch.lower, patch.upper), max(patch.lower, patch.upper))
        if pair not in touching or patch.gap < touching[pair].gap:
            touching[pair] = patch
    found = []
    trees: dict[int, cKDTree] = {}
    for one, other, limit in _near_boxes(geometry):
        patch = touching.get((one, other))
        if patch is not None:
            found.append(Gap(one, other, max(patch.gap, 0.0), limit, patch.point))
            continue
        for body in (one, other):
            if body not in trees:
                trees[body] = cKDTree(_surface_points(geometry, body))
        small, large = sorted((one, other), key=lambda b: trees[b].n)
        distance, row = trees[large].query(trees[small].data, distance_upper_bound=limit)
        best = int(np.argmin(distance))
        if np.isfinite(distance[best]):
            ends = trees[small].data[best], trees[large].data[row[best]]
            found.append(Gap(one, other, float(distance[best]), limit, np.mean(ends, axis=0)))
    return found


def overhangs(geometry: SceneGeometry) -> list[Overhang]:
    """Return every pair of bodies of which one lies above the other somewhere."""
    f = geometry.facings[2]
    sigma = np.hypot(geometry.sigmas[f.lower], geometry.sigmas[f.upper])
    above = -f.gap <= np.maximum(DEEPEST * sigma, 0.5 * f.room)
    above &= f.lower != geometry.environment
    f, sigma = f.selected(above), sigma[above]
    found = []
    for rows, lower, upper in _groups(f.lower, f.upper, len(geometry.sigmas)):
        cells = np.unique(f.cell[rows])
        # The largest distance of one of the columns to any other column.
        index = np.column_stack([cells >> BITS, cells & ((1 << BITS) - 1)])
        index = index - index.min(axis=0) + 1
        mask = np.zeros(index.max(axis=0) + 2, bool)
        mask[tuple(index.T)] = True
        half_width = float(ndimage.distance_transform_edt(mask).max())
        found.append(
            Overhang(
                lower,
                upper,
                len(cells) * geometry.spacing**2,
                len(cells) / max(int(geometry.footprints[lower]), 1),
                geometry.spacing * half_width,
                float(f.gap[rows].min()),
                float(sigma[rows[0]]),
            )
        )
    return found


def _near_boxes(geometry: SceneGeometry) -> list[tuple[int, int, float]]:
    """Return the pairs of objects whose boxes are closer than a limit, ordered by x, and that [m].

    It is half of the diagonal of the smaller box.
    """
    low, high = (
        np.array([getattr(body, end) for body in geometry.bodies]).reshape(-1, 3)
        for end in ("low", "high")
    )
    order = np.argsort(low[:, 0], kind="stable")
    one, other = np.sort([order[rows] for rows in np.triu_indices(len(order), 1)], axis=0)
    apart = np.maximum(low[one], low[other]) - np.minimum(high[one], high[other])
    diagonal = np.linalg.norm(high - low, axis=1)
    limit = 0.5 * np.minimum(diagonal[one], diagonal[other])
    near = np.linalg.norm(np.maximum(apart, 0.0), axis=1) <= limit
    return list(zip(*(part[near].tolist() for part in (one, other, limit)), strict=True))


def _surface_points(geometry: SceneGeometry, body: int) -> np.ndarray:
    """Return points (M, 3) where columns along all axes enter and leave the body, thinned."""
    points = []
    for axis, intervals in enumerate(geometry.intervals):
        grid = ColumnGrid(axis, geometry.spacing)
        rows = np.flatnonzero(intervals.body == body)
        rows = rows[:: max(1, len(rows) // (POINTS // 6))]
        points += [
            grid.points(intervals.cell[rows], along[rows])
            for along in (intervals.low, intervals.high)
        ]
    joined = np.concatenate(points)
    return joined if len(joined) else geometry.bodies[body].center_of_mass[None]


def _groups(
    lower: np.ndarray, upper: np.ndarray, bodies: int
) -> Iterator[tuple[np.ndarray, int, int]]:
    """Yield the rows of each pair of bodies, and the pair."""
    code = lower * bodies + upper
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        if len(rows):
            yield rows, *(int(part) for part in divmod(code[rows[0]], bodies))
