"""Which shapes touch, and whether they still do after each has moved a little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from iscene_ros.core.scene import Mesh

# Points that stand for a surface.
POINTS = 1500
# So many of them, those closest to another point, say how far it is from the surface.
NEIGHBOURS = 6
# The closest points of two surfaces that make up a contact: nearer than the gap and this more.
CONTACT_DEPTH = 1e-3


@dataclass(frozen=True)
class Shell:
    """Points on a closed surface.

    Attributes:
        points: (M, 3) float64.
        normals: (M, 3) float64 outward unit normals.
        spacing: distance from a point to its neighbours, about.
        lowest: of the surface, along z.
    """

    points: np.ndarray
    normals: np.ndarray
    spacing: float
    lowest: float

    @classmethod
    def of(cls, mesh: Mesh) -> Shell:
        """Points spread over a mesh, in its own frame and unit."""
        body = trimesh.Trimesh(mesh.vertices.astype(np.float64), mesh.faces, process=False)
        points, face = trimesh.sample.sample_surface(body, POINTS, seed=0)
        spacing = float(np.sqrt(body.area / POINTS))
        return cls(np.asarray(points), body.face_normals[face], spacing, body.bounds[0, 2])

    @cached_property
    def tree(self) -> cKDTree:
        """Of the points."""
        return cKDTree(self.points)

    def moved(self, center: np.ndarray, growth: float, shift: np.ndarray) -> Shell:
        """Grown by a share about a centre, then shifted."""
        factor = 1 + growth
        points = center + factor * (self.points - center) + shift
        lowest = center[2] + factor * (self.lowest - center[2]) + shift[2]
        return Shell(points, self.normals, factor * self.spacing, float(lowest))


@dataclass(frozen=True)
class Gap:
    """Two shells that are near each other.

    Attributes:
        one, other: their numbers.
        length: distance of the surfaces, negative where they overlap.
        point: (3,) where.
        normal: (3,) unit direction from the other one to the one.
    """

    one: int
    other: int
    length: float
    point: np.ndarray
    normal: np.ndarray


def gaps(shells: Sequence[Shell], reach: float) -> list[Gap]:
    """The gaps of all pairs whose surfaces are not further apart than `reach`."""
    found = []
    for one in range(len(shells)):
        for other in range(one + 1, len(shells)):
            gap = _gap(shells, one, other, reach)
            if gap is not None:
                found.append(gap)
    return found


def _gap(shells: Sequence[Shell], one: int, other: int, reach: float) -> Gap | None:
    lengths, points, normals = [], [], []
    for a, b, sign in ((one, other, 1.0), (other, one, -1.0)):
        inside = _near_box(shells[a].points, shells[b], reach)
        if not len(inside):
            continue
        length, direction = _signed_distance(inside, shells[b])
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


def _signed_distance(points: np.ndarray, shell: Shell) -> tuple[np.ndarray, np.ndarray]:
    """(M,) distance of (M, 3) points to a shell, negative inside, and its (M, 3) normals there."""
    distance, nearest = shell.tree.query(points, k=NEIGHBOURS)
    normals = shell.normals[nearest]
    along = np.einsum("mki,mki->mk", points[:, None] - shell.points[nearest], normals)
    # Where it bulges, a point is at least as far from a surface as from its tangent planes, and
    # behind all of them when it is inside.
    planes = along.max(axis=1)
    # Beside the nearest point the surface goes on, as a plane, until the next one.
    beside = np.sqrt(np.maximum(distance[:, 0] ** 2 - along[:, 0] ** 2, 0)) - shell.spacing
    beyond = np.maximum(planes, np.hypot(along[:, 0], beside))
    signed = np.where((planes < 0) | (beside <= 0), planes, beyond)
    return signed, normals[np.arange(len(points)), along.argmax(axis=1)]


def _near_box(points: np.ndarray, shell: Shell, reach: float) -> np.ndarray:
    room = reach + shell.spacing
    low, high = shell.points.min(axis=0) - room, shell.points.max(axis=0) + room
    return points[np.all((points >= low) & (points <= high), axis=1)]
