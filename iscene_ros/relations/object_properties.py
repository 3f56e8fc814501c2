"""What can be said of one object alone: its box, mass, symmetry, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from iscene_ros.core.scene import SceneObject
from iscene_ros.geometry.bodies import Body, surface_sigma
from iscene_ros.geometry.shape_samples import ShapeSample
from iscene_ros.geometry.support_polygon import margin_inside
from iscene_ros.geometry.symmetry import (
    SymmetryAxis,
    SymmetryPlane,
    symmetry_axes,
    symmetry_planes,
)

# An object stands upright on a face within this angle of the vertical.
STANDING = np.cos(np.deg2rad(10.0))

# Faces of the hull whose normals differ by less are one.
SAME_FACE = np.cos(np.deg2rad(5.0))
MOST_FACES = 30


@dataclass(frozen=True)
class ObjectProperties:
    """Properties in the object's own frame: origin at the centre of its box, z up.

    Attributes:
        volume_m3: of the closed mesh [m^3].
        center_of_mass: (3,) float64 for uniform density [m].
        box_from_object: (4, 4) float64, into the frame of the tight oriented box, longest edge x.
        box_size: (3,) float64 edge lengths of that box [m].
        upright_axis: (3,) direction that points up when it stands on its most stable face: the one
            it stands on now, if it does; None where no face is stable.
        planes, axes: of symmetry, through the centre of mass.
    """

    volume_m3: float
    center_of_mass: np.ndarray
    box_from_object: np.ndarray
    box_size: np.ndarray
    upright_axis: np.ndarray | None
    planes: tuple[SymmetryPlane, ...]
    axes: tuple[SymmetryAxis, ...]


def object_properties(item: SceneObject) -> ObjectProperties | None:
    """Properties of a completed object; None where its mesh has no finite triangle."""
    body = Body.of(
        item.id, item.mesh.vertices, item.mesh.faces, surface_sigma(item), item.confidence
    )
    if body is None:
        return None
    up = np.array([0.0, 0.0, 1.0])
    box_from_object, size = _oriented_box(body)
    sample = _sample(body)
    return ObjectProperties(
        volume_m3=body.volume,
        center_of_mass=body.center_of_mass,
        box_from_object=box_from_object,
        box_size=size,
        upright_axis=upright_axis(body, up),
        planes=() if sample is None else symmetry_planes(sample, up),
        axes=() if sample is None else symmetry_axes(sample, up),
    )


def upright_axis(body: Body, up: np.ndarray) -> np.ndarray | None:
    """(3,) direction that points up when the body stands on its most stable face.

    Args:
        body: in any frame.
        up: (3,) unit direction that is up now; a stable face that points down counts first.
    """
    faces = _stable_faces(body)
    if not faces:
        return None
    standing = [face for face in faces if -face[0] @ up > STANDING]
    return -max(standing or faces, key=lambda face: face[1])[0]


def _stable_faces(body: Body) -> list[tuple[np.ndarray, float]]:
    """Normals of the hull's faces on which it stands, and the tangents of the tipping angles."""
    try:
        hull = ConvexHull(body.points)
    except (QhullError, ValueError):
        return []
    normals, corners = hull.equations[:, :3], hull.points[hull.simplices]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    faces = _merged(normals, area)
    faces.sort(key=lambda members: -area[members].sum())
    found: list[tuple[np.ndarray, float]] = []
    for members in faces[:MOST_FACES]:
        normal = (normals[members] * area[members, None]).sum(axis=0)
        normal /= np.linalg.norm(normal)
        points = corners[members].reshape(-1, 3)
        u = np.linalg.svd(normal[None])[2][1:]
        margin = margin_inside(points @ u.T, u @ body.center_of_mass)
        height = float((points @ normal).max() - normal @ body.center_of_mass)
        if margin > 0 and height > 0:
            found.append((normal, margin / height))
    return found


def _merged(normals: np.ndarray, area: np.ndarray) -> list[np.ndarray]:
    """Rows of triangles with about the same normal, starting from the large ones."""
    left = np.ones(len(normals), bool)
    faces = []
    for row in np.argsort(-area):
        if left[row]:
            members = left & (normals @ normals[row] > SAME_FACE)
            left &= ~members
            faces.append(np.flatnonzero(members))
    return faces


def _oriented_box(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """Transform into the frame of the smallest box, and its edges, the longest first."""
    import trimesh

    points = body.points
    try:
        box_from_object, size = trimesh.bounds.oriented_bounds(points)
    except (QhullError, ValueError):
        box_from_object, size = np.eye(4), body.size
        box_from_object[:3, 3] = -0.5 * (body.low + body.high)
    order = np.argsort(-np.asarray(size), kind="stable")
    turn = np.eye(4)
    turn[:3, :3] = np.eye(3)[order]
    if np.linalg.det(turn[:3, :3]) < 0:
        turn[2] *= -1
    return turn @ box_from_object, np.asarray(size)[order]


def _sample(body: Body) -> ShapeSample | None:
    corners = body.vertices[body.faces]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    return ShapeSample.of(body) if area.sum() > 1e-12 else None
