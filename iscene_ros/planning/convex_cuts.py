"""Convex parts of different bodies, cut apart by planes where they overlap.

Parts for contact fill what is hollow in a mesh, and completed meshes reach into each other by
their errors: an engine would push such bodies apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

# Parts that overlap by less do not [m].
TOUCHING_M = 2e-4
# What is left of a part is left out with less volume [m^3].
LEAST_VOLUME = 1e-10
# Where a cut takes away equally much of the surfaces, the one with less overlap is preferred.
OVERLAP_WEIGHT = 1e-3
# Faces are parallel to a direction that changes less of their distance.
PARALLEL = 1e-9
# Of the faces of two parts so many are tried, those with the least overlap.
MOST_FACES = 200
# Points of a surface count for a part that they are in, or as far outside of [m].
NEAR_M = 0.003


@dataclass(frozen=True)
class ConvexPart:
    """A convex part: what is behind all its faces.

    Attributes:
        vertices: (V, 3) float64 [m].
        normals, offsets: (F, 3) and (F,): normals @ x <= offsets inside.
        surface: (S, 3) points of the mesh that the part stands for, in it or near it [m].
    """

    vertices: np.ndarray
    normals: np.ndarray
    offsets: np.ndarray
    surface: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, surface: np.ndarray) -> ConvexPart | None:
        """Return the hull of points (P, 3) and what of a surface (S, 3) is near; None if flat."""
        try:
            hull = ConvexHull(points)
        except (QhullError, ValueError):
            return None
        if hull.volume < LEAST_VOLUME:
            return None
        equations = np.unique(hull.equations.round(9), axis=0)
        normals, offsets = equations[:, :3], -equations[:, 3]
        near = (surface @ normals.T - offsets).max(axis=1) < NEAR_M if len(surface) else []
        return cls(hull.points[hull.vertices], normals, offsets, surface[near])

    def cut(self, normal: np.ndarray, offset: float) -> ConvexPart | None:
        """Return what is behind a plane, normal @ x <= offset; None where (almost) nothing is."""
        height = self.vertices @ normal - offset
        behind, before = height <= 0, height > 0
        if not before.any():
            return self
        low, high = self.vertices[behind], self.vertices[before]
        # The corners of the section are among the places where any two corners are joined.
        share = height[behind][:, None] / (height[behind][:, None] - height[before])
        section = low[:, None] + share[..., None] * (high - low[:, None])
        points = np.concatenate([low, section.reshape(-1, 3)])
        return ConvexPart.of(points, self.surface) if len(points) > 3 else None

    def column(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the heights (C,) between which verticals at places (C, 2) are inside.

        The lower one is inf, and the upper one -inf, where they are nowhere.
        """
        origins = np.column_stack([places, np.zeros(len(places))])
        return self.crossing(origins, np.broadcast_to([0.0, 0.0, 1.0], origins.shape))

    def crossing(
        self, origins: np.ndarray, directions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return between which multiples of directions (C, 3) lines from origins are inside.

        Where a line misses the part they are inf and -inf.
        """
        rest = self.offsets - origins @ self.normals.T
        slope = directions @ self.normals.T
        with np.errstate(divide="ignore", invalid="ignore"):
            multiple = rest / slope
        enters = np.where(slope < -PARALLEL, multiple, -np.inf).max(axis=1)
        leaves = np.where(slope > PARALLEL, multiple, np.inf).min(axis=1)
        beside = (enters > leaves) | np.any((np.abs(slope) <= PARALLEL) & (rest < 0), axis=1)
        return np.where(beside, np.inf, enters), np.where(beside, -np.inf, leaves)


def separated(
    bodies: Sequence[Sequence[ConvexPart]], fixed: Sequence[ConvexPart] = ()
) -> list[list[ConvexPart]]:
    """Return the parts of each body, cut where they overlap with other bodies or fixed parts.

    Each cut is along a face of one of two parts, and takes away as little as it can of the
    surfaces that they stand for: what fills a hollow goes first.
    """
    made: list[list[ConvexPart]] = []
    for parts in bodies:
        rest = [part for part in (_cut_by_all(part, fixed) for part in parts) if part is not None]
        for other in made:
            _separate(rest, other)
        made.append(rest)
    return made


def _cut_by_all(part: ConvexPart, fixed: Sequence[ConvexPart]) -> ConvexPart | None:
    for obstacle in fixed:
        plane = cutting_plane(part, obstacle, is_fixed=True)
        if plane is not None:
            part = part.cut(*plane)
        if part is None:
            return None
    return part


def _separate(one: list[ConvexPart], other: list[ConvexPart]) -> None:
    """Cut the parts of two bodies in place."""
    for part in list(one):
        for neighbour in list(other):
            plane = cutting_plane(part, neighbour)
            if plane is None:
                continue
            normal, offset = plane
            left = part.cut(normal, offset)
            _replace(other, neighbour, neighbour.cut(-normal, -offset))
            _replace(one, part, left)
            if left is None:
                break
            part = left


def _replace(parts: list[ConvexPart], old: ConvexPart, new: ConvexPart | None) -> None:
    number = next(i for i, part in enumerate(parts) if part is old)
    parts[number : number + 1] = [] if new is None else [new]


def cutting_plane(
    one: ConvexPart, other: ConvexPart, is_fixed: bool = False
) -> tuple[np.ndarray, float] | None:
    """Return normal and offset of the plane between two parts; None where they do not overlap.

    Args:
        one: will be behind the plane.
        other: will be before it; where it is fixed, it is so already.
    """
    normals = np.concatenate([-other.normals, one.normals])
    reach = (one.vertices @ normals.T).max(axis=0)
    begin = (other.vertices @ normals.T).min(axis=0)
    overlap = reach - begin
    if overlap.min() < TOUCHING_M:
        return None
    shares = (0.0, 0.5, 1.0)
    if is_fixed:
        shares, overlap = (0.0,), overlap[: len(other.normals)]
    shallow = np.argsort(overlap)[:MOST_FACES]
    normals, begin, overlap = normals[shallow], begin[shallow], overlap[shallow]
    offsets = begin + np.outer(shares, overlap)  # (C, F)
    lost = _beyond(one.surface @ normals.T, offsets)
    if not is_fixed:
        lost += _beyond(-other.surface @ normals.T, -offsets)
    choice, face = np.unravel_index(np.argmin(lost + OVERLAP_WEIGHT * overlap**2), lost.shape)
    return normals[face], float(offsets[choice, face])


def _beyond(heights: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the squares by which points reach beyond planes; (S, F), (C, F) -> (C, F) [m^2]."""
    return np.square(np.maximum(heights[None] - offsets[:, None], 0)).sum(axis=1)
