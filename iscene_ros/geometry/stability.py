"""Physical properties of one object: volume, centre of mass, and the faces on which it stands."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from iscene_ros.core.scene import Mesh, ObjectProperties
from iscene_ros.geometry.mesh_measures import used_vertices, volume_and_center

# An object stands on a face within this angle of the vertical.
STANDING = np.cos(np.deg2rad(10.0))

# Faces of the hull whose normals differ by less are one; only the largest are considered.
SAME_FACE = np.cos(np.deg2rad(5.0))
MAX_FACES = 12


def object_properties(mesh: Mesh) -> ObjectProperties | None:
    """Return the properties of a mesh in its own frame; None without a single finite triangle.

    Args:
        mesh: in the object's frame, whose z points up as the object stands now [m].
    """
    vertices = mesh.vertices.astype(np.float64)
    faces = mesh.faces[np.isfinite(vertices).all(axis=1)[mesh.faces].all(axis=1)]
    if not len(faces):
        return None
    volume, center = volume_and_center(vertices, faces)
    axis = upright_axis(used_vertices(vertices, faces), center, np.array([0.0, 0.0, 1.0]))
    return ObjectProperties(volume, center, axis)


def margin_inside(points: np.ndarray, center: np.ndarray) -> float:
    """Return how far a center (2,) lies within the convex hull of points (M, 2) [m].

    It is negative outside, and -inf where there is no point; minus the distance to the segment
    where all points lie on one line.
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(points):
        return -np.inf
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        # All points lie on one line: its ends are the outermost of them.
        middle = points.mean(axis=0)
        _, _, axes = np.linalg.svd(points - middle, full_matrices=False)
        along = (points - middle) @ axes[0]
        ends = points[[int(np.argmin(along))]], points[[int(np.argmax(along))]]
        return -_distance_to_edges(*ends, center)
    margin = -float(np.max(hull.equations[:, :2] @ center + hull.equations[:, 2]))
    if margin >= 0:
        return margin
    corners = points[hull.vertices]
    return -_distance_to_edges(corners, np.roll(corners, -1, axis=0), center)


def upright_axis(points: np.ndarray, center: np.ndarray, up: np.ndarray) -> np.ndarray | None:
    """Return the direction that points up when a body stands on its most stable face.

    Args:
        points: (P, 3) of its surface, in any frame [m].
        center: (3,) centre of mass [m].
        up: (3,) unit direction that is up now; a stable face that points down counts first.

    Returns:
        (3,) unit direction, or None where no face is stable.
    """
    faces = _stable_faces(points, center)
    if not faces:
        return None
    standing = [face for face in faces if -face[0] @ up > STANDING]
    return -max(standing or faces, key=lambda face: face[1])[0]


def _distance_to_edges(start: np.ndarray, end: np.ndarray, center: np.ndarray) -> float:
    span = end - start
    length = np.maximum((span**2).sum(axis=1), 1e-18)
    along = np.clip(((center - start) * span).sum(axis=1) / length, 0, 1)
    return float(np.linalg.norm(start + along[:, None] * span - center, axis=1).min())


def _stable_faces(points: np.ndarray, center: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Return the normals of hull faces on which the body stands, with their stability.

    The stability is the tangent of the angle by which the body may be tipped.
    """
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        return []
    normals, corners = hull.equations[:, :3], hull.points[hull.simplices]
    edges = corners[:, 1:] - corners[:, :1]
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    found: list[tuple[np.ndarray, float]] = []
    for members in _merged_faces(normals, area):
        normal = (normals[members] * area[members, None]).sum(axis=0)
        normal /= np.linalg.norm(normal)
        face = corners[members].reshape(-1, 3)
        height = float((face @ normal).max() - normal @ center)
        axes = np.linalg.svd(normal[None])[2][1:]  # across the normal
        margin = margin_inside(face @ axes.T, axes @ center)
        if margin > 0 and height > 0:
            found.append((normal, margin / height))
    return found


def _merged_faces(normals: np.ndarray, area: np.ndarray) -> list[np.ndarray]:
    """Return the rows of triangles with about the same normal, starting from the largest facets."""
    _, facet = np.unique(normals.round(6), axis=0, return_inverse=True)
    facet_area = np.bincount(facet.ravel(), area)[facet.ravel()]
    is_left = np.ones(len(normals), bool)
    faces = []
    for row in np.argsort(-facet_area):
        if is_left[row]:
            members = is_left & (normals @ normals[row] > SAME_FACE)
            is_left &= ~members
            faces.append(np.flatnonzero(members))
        if len(faces) == MAX_FACES:
            break
    return faces
