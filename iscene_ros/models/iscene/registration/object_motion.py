"""Small shifts of single objects, as long as their contacts stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from iscene_ros.core.scene import Mesh
from iscene_ros.models.iscene.registration.equations import (
    Equations,
    depth_equations,
    outline_equations,
)
from iscene_ros.models.iscene.registration.fit_view import FitView
from iscene_ros.models.iscene.registration.rendered_shapes import render_shapes
from iscene_ros.models.iscene.registration.result import Similarity

# Points that a surface is sampled with.
POINTS = 1500
# Nearest samples from which the distance of a point to a surface is estimated.
NEIGHBOURS = 6
# Points belong to a contact if they are at most this share of the reach further apart than the gap.
CONTACT_DEPTH = 1e-3
STEPS = 2
# Standard deviation of an object's shift, as a share of the cube's edge: the release positions
# objects on a grid of 64 cells.
SHIFT_SHARE = 0.02
# An object whose shift is larger than this many standard deviations stays in place.
LARGEST_SHIFT = 3.0
# Objects touch that are closer than this share of the cube's edge, or than this [m].
TOUCH_SHARE, TOUCH_M = 1 / 128, 0.002
# Largest change of a contact [m], and the standard deviation of a change as a share of it.
CONTACT_TOLERANCE_M, CONTACT_SHARE = 0.002, 0.1
# Standard deviation of the common offset of all outlines, in those of one outline.
OFFSET_SIGMA = 2.0


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
        room = reach + surfaces[b].spacing
        low, high = surfaces[b].points.min(axis=0) - room, surfaces[b].points.max(axis=0) + room
        points_a = surfaces[a].points
        inside = points_a[np.all((points_a >= low) & (points_a <= high), axis=1)]
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


@dataclass(frozen=True)
class SceneContacts:
    """Contacts of a scene's objects at the scene's similarity, in the aligned frame [m].

    Attributes:
        surfaces: of the N objects.
        near: gaps of the pairs that are near each other.
        touching: those of them that touch.
        support: numbers of the objects that stand lowest.
    """

    surfaces: tuple[SampledSurface, ...]
    near: tuple[Gap, ...]
    touching: tuple[Gap, ...]
    support: tuple[int, ...]

    @classmethod
    def of(cls, meshes_cube: Sequence[Mesh], scene: Similarity) -> SceneContacts:
        """Find the contacts of shapes that share one similarity."""
        surfaces = [
            SampledSurface.of(replace(m, vertices=scene.to_aligned(m.vertices)))
            for m in meshes_cube
        ]
        touch = max(TOUCH_M, TOUCH_SHARE * scene.scale)
        near = gaps(surfaces, touch + 2 * LARGEST_SHIFT * SHIFT_SHARE * scene.scale)
        bottoms = np.array([surface.lowest for surface in surfaces])
        return cls(
            tuple(surfaces),
            tuple(near),
            tuple(gap for gap in near if gap.length <= touch),
            tuple(int(i) for i in np.flatnonzero(bottoms <= bottoms.min() + touch)),
        )

    def constraints(self) -> np.ndarray:
        """Return (C, 3 N) rows whose product with the shifts is the change of a contact [m]."""
        count = len(self.surfaces)
        rows = np.zeros((len(self.touching) + len(self.support) - 1, count, 3))
        for row, gap in zip(rows, self.touching, strict=False):
            row[gap.one], row[gap.other] = gap.normal, -gap.normal
        for row, number in zip(rows[len(self.touching) :], self.support[1:], strict=True):
            row[number, 2], row[self.support[0], 2] = 1.0, -1.0
        return rows.reshape(len(rows), 3 * count)

    def violations(self, shifts: np.ndarray) -> set[int]:
        """Return the shifted objects whose contacts open or close by more than the tolerance.

        An object that sinks below the support by more than the tolerance counts, too.
        """
        pairs = zip(self.surfaces, shifts, strict=True)
        surfaces = [surface.shifted(shift) for surface, shift in pairs]
        reach = max((gap.length for gap in self.near), default=0.0) + 1.0
        touching = {(gap.one, gap.other) for gap in self.touching}
        found: set[int] = set()
        for gap in self.near:
            if not (shifts[gap.one].any() or shifts[gap.other].any()):
                continue
            pair = [surfaces[gap.one], surfaces[gap.other]]
            change = gaps(pair, reach)[0].length - gap.length
            opens = (gap.one, gap.other) in touching and change > CONTACT_TOLERANCE_M
            if opens or gap.length + change < min(gap.length, 0.0) - CONTACT_TOLERANCE_M:
                found |= {gap.one, gap.other}
        floor = min(surfaces[i].lowest for i in self.support) - CONTACT_TOLERANCE_M
        sunk = {i for i, surface in enumerate(surfaces) if surface.lowest < floor}
        return {i for i in found | sunk if shifts[i].any()}


def find_shifts(
    meshes_cube: Sequence[Mesh], view: FitView, scene: Similarity, contacts: SceneContacts
) -> np.ndarray:
    """Return the shift (N, 3) of each object [m], by least squares for all together."""
    count = len(meshes_cube)
    shifts = np.zeros(3 * count)
    sigma = SHIFT_SHARE * scene.scale
    contact = contacts.constraints() / (CONTACT_SHARE * CONTACT_TOLERANCE_M)
    prior = np.eye(3 * count) * sigma**-2.0 + contact.T @ contact
    for _ in range(STEPS):
        rendered = render_shapes(meshes_cube, shifted(scene, shifts.reshape(-1, 3)), view)
        normal, right = np.zeros((3 * count + 1,) * 2), np.zeros(3 * count + 1)
        normal[:-1, :-1], right[:-1] = prior, -prior @ shifts
        normal[-1, -1] = OFFSET_SIGMA**-2.0
        for equations in (depth_equations(rendered, view), outline_equations(rendered, view)):
            for number in range(count):
                _add(normal, right, equations.of_shape(number), number)
        shifts += np.linalg.solve(normal, right)[:-1]
    shifts = shifts.reshape(-1, 3)
    shifts[np.linalg.norm(shifts, axis=1) > LARGEST_SHIFT * sigma] = 0
    return shifts


def shifted(scene: Similarity, shifts: np.ndarray) -> list[Similarity]:
    """Return the similarity of each object after shifts (N, 3) [m]."""
    return [scene.shifted(shift) for shift in shifts]


def _add(normal: np.ndarray, right: np.ndarray, equations: Equations, number: int) -> None:
    """Add the equations of one object to the normal equations; the last unknown is the offset."""
    columns = np.r_[3 * number : 3 * number + 3, len(right) - 1]
    jacobian = np.column_stack([equations.directions, equations.offset_column])
    weighted = jacobian * equations.weights()[:, None]
    normal[np.ix_(columns, columns)] += weighted.T @ jacobian
    right[columns] += weighted.T @ equations.residuals
