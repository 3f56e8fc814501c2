"""How far near bodies are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from iscene_ros.geometry.ray_columns import ColumnGrid
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


def near_gaps(geometry: SceneGeometry) -> list[Gap]:
    """All pairs of objects that are closer than half of the size of the smaller one.

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
    for one, other in near_boxes(geometry):
        limit = near_limit(geometry, one, other)
        known = touching.get((one, other))
        if known is not None:
            found.append(Gap(one, other, max(known.gap, 0.0), limit, known.point))
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


def near_boxes(geometry: SceneGeometry) -> list[tuple[int, int]]:
    """Pairs of objects whose boxes are closer than their limit, by sorting along x."""
    bodies = geometry.bodies
    reach = np.array([0.25 * np.linalg.norm(body.size) for body in bodies])
    order = np.argsort([body.low[0] for body in bodies], kind="stable")
    pairs = []
    for place, one in enumerate(order):
        for other in order[place + 1 :]:
            if bodies[other].low[0] > bodies[one].high[0] + 2 * reach[one]:
                break
            limit = near_limit(geometry, one, other)
            apart = np.maximum(bodies[one].low, bodies[other].low)
            apart = apart - np.minimum(bodies[one].high, bodies[other].high)
            if np.linalg.norm(np.maximum(apart, 0.0)) <= limit:
                pairs.append((int(min(one, other)), int(max(one, other))))
    return pairs


def near_limit(geometry: SceneGeometry, one: int, other: int) -> float:
    """Half of the diagonal of the smaller box [m]."""
    sizes = (float(np.linalg.norm(geometry.bodies[b].size)) for b in (one, other))
    return 0.5 * min(sizes)


def _surface_points(geometry: SceneGeometry, body: int) -> np.ndarray:
    """(M, 3) where columns along all axes enter and leave the body, thinned."""
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
