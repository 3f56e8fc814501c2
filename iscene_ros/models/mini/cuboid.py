"""Upright boxes: cartons and books, whose seen faces tell the hidden ones exactly.

A box shows two or three of its faces. Their rims are the edges of the hidden faces, as far as free
space begins behind them. All lengths are in voxels of the crop's grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import ndimage

# Fewer points tell no box.
MIN_POINTS = 150
# Points lie so near to the faces that they show, all but a share of them; and how far inside of an
# edge no free space is. The second pair is for noisy depth.
TOLERANCES, STRAY = ((2.0, 1.0), (3.0, 1.5)), 0.2
# Points that tell the yaw, and what a longer footprint costs.
YAW_POINTS, LENGTH_COST = 300, 0.02
# Cells of a seen face, of which this share holds points.
CELL, COVERED = 3.0, 0.65
# Free space begins within this distance of a rim. The face lies before it, by this share of the
# distance or by this much: readings at rims are cleaned away.
RIM_REACH, RIM_SHARE, RIM_MOST = 8.0, 0.4, 2.5
# A box whose underside is predicted within this distance of its support stands on it, unless the
# space this far above the support, at its foot, is hidden: it stands on something else, then.
STANDING, FOOT, HIDDEN = 4.0, 1.0, -0.1
# Projective distances, in truncations: from the first on a voxel is free, the second only rays have
# that pass an object by, and no point inside of an edge has the third.
FREE, PASSED, BEFORE_EDGE = 0.2, 0.5, 0.1
# Largest free share of the inside, and of each edge.
MOST_FREE, MOST_FREE_EDGE = 0.02, 0.3
# Least overlap (IoU) with the predicted solid.
LEAST_OVERLAP = 0.5
LOW, HIGH = 0, 1
UNDERSIDE = (2, LOW)


@dataclass(frozen=True, eq=False)
class Cuboid:
    """An upright box.

    Attributes:
        yaw: of its axes about the vertical [rad].
        bounds: (2, 3) low and high corner along its axes [voxels].
    """

    yaw: float
    bounds: np.ndarray

    def distance(self, resolution: int) -> np.ndarray:
        """Return the signed distance (R, R, R) float32 at the centres of a grid [voxels]."""
        axis = np.arange(resolution, dtype=np.float32)
        x, y = np.meshgrid(axis, axis, indexing="ij")
        flat = np.stack([x, y], -1) @ _turn(self.yaw)[:2, :2]
        low, high = self.bounds.astype(np.float32)
        beside = np.maximum(low[:2] - flat, flat - high[:2])[:, :, None]
        above = np.broadcast_to(np.maximum(low[2] - axis, axis - high[2]), (*x.shape, resolution))
        outside = np.stack([*np.broadcast_arrays(beside[..., 0], beside[..., 1], above)])
        distance = np.sqrt((np.maximum(outside, 0) ** 2).sum(axis=0))
        return (distance + np.minimum(outside.max(axis=0), 0)).astype(np.float32)


def fitted_cuboid(
    points: np.ndarray, surface: np.ndarray, solid: np.ndarray, support: float
) -> Cuboid | None:
    """Return the upright box that an object is; None where what is seen does not tell one.

    Args:
        points: (M, 3) observed points of the object [voxels].
        surface: (R, R, R) projective distances in truncations, as of `ObservationVolumes`.
        solid: (R, R, R) bool, the predicted solid.
        support: height of what seems to support it [voxels].
    """
    if len(points) < MIN_POINTS or not solid.any():
        return None
    found = (_fitted(points, surface, solid, support, *pair) for pair in TOLERANCES)
    return next((cuboid for cuboid in found if cuboid is not None), None)


def _fitted(
    points: np.ndarray,
    surface: np.ndarray,
    solid: np.ndarray,
    support: float,
    tolerance: float,
    inset: float,
) -> Cuboid | None:
    yaw = _yaw(points, tolerance)
    turned = points @ _turn(yaw)
    bounds = np.quantile(turned, [0.005, 0.995], axis=0)
    faces = _seen_faces(turned, bounds, tolerance)
    if len({axis for axis, _ in faces}) < 2:
        return None
    for axis, side in faces:
        coordinate = turned[:, axis]
        near = np.abs(coordinate - bounds[side, axis]) < tolerance
        bounds[side, axis] = np.median(coordinate[near])
    gaps = [np.abs(turned[:, axis] - bounds[side, axis]) for axis, side in faces]
    if np.mean(np.min(gaps, axis=0) > tolerance) > STRAY:
        return None
    if UNDERSIDE not in faces:
        # Crumbs and bulges of the prediction are no underside.
        layers = solid.sum(axis=(0, 1))
        lowest = min(bounds[LOW, 2], np.argmax(layers >= 0.5 * layers.max()) - 0.5)
        is_near = abs(support - lowest) < STANDING
        stands = is_near and _sees_foot(support, faces, bounds, yaw, surface)
        bounds[LOW, 2] = support if stands else lowest
    for axis, side in product(range(3), (LOW, HIGH)):
        if (axis, side) not in [*faces, UNDERSIDE]:
            beyond = _free_beyond((axis, side), faces, Cuboid(yaw, bounds), surface)
            if not np.isfinite(beyond):
                return None
            beyond -= min(RIM_SHARE * beyond, RIM_MOST)
            bounds[side, axis] += (2 * side - 1) * beyond
    cuboid = Cuboid(yaw, bounds)
    return cuboid if _is_consistent(cuboid, surface, solid, tolerance, inset) else None


def _is_consistent(
    cuboid: Cuboid, surface: np.ndarray, solid: np.ndarray, tolerance: float, inset: float
) -> bool:
    """Return whether no free space is in a box, nor at its edges, and the prediction is like it.

    The edges of a box around a round body lie before its surface.
    """
    distance = cuboid.distance(len(solid))
    inside, deep = distance < 0, distance < -tolerance
    if not deep.any() or np.mean(surface[deep] > FREE) > MOST_FREE:
        return False
    low, high = cuboid.bounds[LOW] + inset, cuboid.bounds[HIGH] - inset
    for axis in range(3):
        for ends in product((LOW, HIGH), repeat=2):
            edge = np.tile(np.insert(ends, axis, LOW), (20, 1)) * (high - low) + low
            edge[:, axis] = np.linspace(low[axis], high[axis], 20)
            if np.mean(_seen_at(surface, edge, cuboid.yaw) > BEFORE_EDGE) > MOST_FREE_EDGE:
                return False
    return (inside & solid).sum() >= LEAST_OVERLAP * (inside | solid).sum()


def _yaw(points: np.ndarray, tolerance: float) -> float:
    """Return the yaw [rad] of the box to whose faces points (M, 3) lie nearest."""
    some = points[:: max(1, len(points) // YAW_POINTS)]
    coarse = _least_misfit(some, np.deg2rad(np.arange(-44.0, 46.0, 2.0)), tolerance)
    return _least_misfit(some, coarse + np.deg2rad(np.arange(-1.0, 1.1, 0.25)), tolerance)


def _least_misfit(points: np.ndarray, yaws: np.ndarray, tolerance: float) -> float:
    """Return that of the yaws (Y,) [rad] at which points (M, 3) lie nearest to faces."""
    turned = points @ np.stack([_turn(yaw) for yaw in yaws])
    low, high = np.quantile(turned, [0.01, 0.99], axis=1)[:, :, None]
    gaps = np.minimum(np.abs(turned - low), np.abs(turned - high)).min(axis=2)
    length = (high - low)[:, 0, :2].sum(axis=1)
    misfit = np.minimum(gaps, 2 * tolerance).mean(axis=1) + LENGTH_COST * length
    return float(yaws[np.argmin(misfit)])


def _seen_faces(turned: np.ndarray, bounds: np.ndarray, tolerance: float) -> list[tuple[int, int]]:
    """Return the faces (axis, `LOW` or `HIGH`) of a box that points (M, 3) cover."""
    seen = []
    size = np.maximum(bounds[HIGH] - bounds[LOW], 1e-6)
    for axis, side in product(range(3), (LOW, HIGH)):
        others = [a for a in range(3) if a != axis]
        cells = np.maximum(size[others] // CELL, 1).astype(int)
        near = np.abs(turned[:, axis] - bounds[side, axis]) < tolerance
        place = (turned[near][:, others] - bounds[LOW, others]) / size[others] * cells
        place = np.clip(place.astype(int), 0, cells - 1)
        if len(np.unique(place, axis=0)) >= COVERED * cells.prod():
            seen.append((axis, side))
    return seen


def _sees_foot(
    support: float,
    faces: list[tuple[int, int]],
    bounds: np.ndarray,
    yaw: float,
    surface: np.ndarray,
) -> bool:
    """Return whether what lies in front of the seen sides, just above a support, is not hidden."""
    feet = []
    for axis, side in faces:
        if axis != 2:
            foot = np.full((20, 3), support + FOOT)
            foot[:, 1 - axis] = np.linspace(*bounds[:, 1 - axis], 20)
            foot[:, axis] = bounds[side, axis] + (2 * side - 1) * 1.5
            feet.append(foot)
    return bool(np.median(_seen_at(surface, np.concatenate(feet), yaw)) > HIDDEN)


def _free_beyond(
    hidden: tuple[int, int], faces: list[tuple[int, int]], cuboid: Cuboid, surface: np.ndarray
) -> float:
    """Return how far from a hidden face free space begins, along the rims of the seen faces.

    It is infinite where none does: an occluder may hide where the object ends.
    """
    axis, side = hidden
    bounds = cuboid.bounds
    steps = np.arange(0.5, RIM_REACH + 0.1, 0.5)
    found: list[float] = []
    for face, face_side in faces:
        if face == axis:
            continue
        along = 3 - axis - face
        rim = np.empty((len(steps), 18, 3))
        rim[..., along] = np.linspace(*bounds[:, along], 24)[3:-3]
        rim[..., axis] = bounds[side, axis] + (2 * side - 1) * steps[:, None]
        # Just outside of the plane of the face, where rays pass the rim by.
        rim[..., face] = bounds[face_side, face] + (2 * face_side - 1) * 0.5
        passed = _seen_at(surface, rim.reshape(-1, 3), cuboid.yaw) > PASSED
        is_free = passed.reshape(len(steps), -1).mean(axis=1) >= 0.5
        found += list(steps[is_free][:1])
    return float(min(found, default=np.inf))


def _seen_at(surface: np.ndarray, points: np.ndarray, yaw: float) -> np.ndarray:
    """Return the projective distance at points (P, 3) along a box's axes [voxels]."""
    voxels = points @ _turn(yaw).T
    return ndimage.map_coordinates(surface, voxels.T, order=1, mode="nearest")


def _turn(yaw: float) -> np.ndarray:
    """Return (3, 3): row vectors times it are along axes turned by a yaw [rad]."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
