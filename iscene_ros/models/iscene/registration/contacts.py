"""Contacts and gaps between the surfaces of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from iscene_ros.core.scene import Mesh

# Points that a surface is sampled with.
POINTS = 1500
# Nearest samples from which the distance of a point to a surface is estimated.
NEIGHBOURS = 6
# Points belong to a contact if they are at most this share of the reach further apart than the gap.
CONTACT_DEPTH = 1e-3


@dataclass(frozen=True)
class SampledSurface:
    """Samples of a closed surface.

    Attributes:
        points: (M, 3) float64.
        normals: (M, 3) float64 outward unit normals.
        spacing: approximate distance between neighbouring points.
        lowest: smallest z of the surface.
    """

    points: np.ndarray
    normals: np.ndarray
    spacing: float
    lowest: float

    @classmethod
    def of(cls, mesh: Mesh) -> SampledSurface:
        """Sample a mesh uniformly, in its own frame and unit."""
        body = trimesh.Trimesh(mesh.vertices.astype(np.float64), mesh.faces, process=False)
        points, face = trimesh.sample.sample_surface(body, POINTS, seed=0)
        spacing = float(np.sqrt(body.area / POINTS))
        return cls(np.asarray(points), body.face_normals[face], spacing, body.bounds[0, 2])

    @cached_property
    def tree(self) -> cKDTree:
        """Search tree of the points."""
        return cKDTree(self.points)

    def shifted(self, offset: np.ndarray) -> SampledSurface:
        """Return the surface shifted by (3,)."""
        return replace(self, points=self.points + offset, lowest=float(self.lowest + offset[2]))


@dataclass(frozen=True)
class Gap:
    """The distance of two surfaces that are near each other.

    Attributes:
        one, other: numbers of the surfaces.
        length: their distance, negative where they overlap.
        point: (3,) mean of the closest points.
        normal: (3,) unit direction from `other` to `one`.
    """

    one: int
    other: int
    length: float
    point: np.ndarray
    normal: np.ndarray


def gaps(surfaces: Sequence[SampledSurface], reach: float) -> list[Gap]:
    """Return the gaps of all pairs of surfaces that are at most `reach` apart."""
    found = []
    for one in range(len(surfaces)):
        for other in range(one + 1, len(surfaces)):
            gap = _gap(surfaces, one, other, reach)
            if gap is not None:
                found.append(gap)
    return found


def _gap(surfaces: Sequence[SampledSurface], one: int, other: int, reach: float) -> Gap | None:
    lengths, points, normals = [], [], []
    for a, b, sign in ((one, other, 1.0), (other, one, -1.0)):
        inside = _near_box(surfaces[a].points, surfaces[b], reach)
        if not len(inside):
            continue
        length, direction = _signed_distance(inside, surfaces[b])
        lengths.append(length)
        points.append(inside)
        normals.append(sign * direction)
    if not lengths:
        return None
    length, normal = np.concatenate(lengths), np.concatenate(normals)
    closest = length <= length.min() + max(CONTACT_DEPTH * reach, 0.1 * abs(length.min()))
    if length.min() > reach:
        return None
    mean = normal[closest].mean(axis=0)
    norm = np.linalg.norm(mean)
    mean = normal[np.argmin(length)] if norm < 1e-3 else mean / norm
    point = np.concatenate(points)[closest].mean(axis=0)
    return Gap(one, other, float(length.min()), point, mean)


def _signed_distance(points: np.ndarray, surface: SampledSurface) -> tuple[np.ndarray, np.ndarray]:
    """Return signed distances (M,) of points (M, 3), negative inside, and normals there (M, 3)."""
    distance, nearest = surface.tree.query(points, k=NEIGHBOURS)
    normals = surface.normals[nearest]
    along = np.einsum("mki,mki->mk", points[:, None] - surface.points[nearest], normals)
    # A point is at least as far from a convex surface as from its tangent planes, and behind all
    # of them when it is inside.
    planes = along.max(axis=1)
    # Beside the nearest point the surface goes on, as a plane, until the next one.
    beside = np.sqrt(np.maximum(distance[:, 0] ** 2 - along[:, 0] ** 2, 0)) - surface.spacing
    beyond = np.maximum(planes, np.hypot(along[:, 0], beside))
    signed = np.where((planes < 0) | (beside <= 0), planes, beyond)
    return signed, normals[np.arange(len(points)), along.argmax(axis=1)]


def _near_box(points: np.ndarray, surface: SampledSurface, reach: float) -> np.ndarray:
    room = reach + surface.spacing
    low, high = surface.points.min(axis=0) - room, surface.points.max(axis=0) + room
    return points[np.all((points >= low) & (points <= high), axis=1)]
