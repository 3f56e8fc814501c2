"""How a body stands: the support polygon, and the faces on which it is stable."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from iscene_ros.geometry.bodies import Body

# An object stands on a face within this angle of the vertical.
STANDING = np.cos(np.deg2rad(10.0))

# Faces of the hull whose normals differ by less are one; only the largest faces are considered.
SAME_FACE = np.cos(np.deg2rad(5.0))
MAX_FACES = 30


def margin_inside(points: np.ndarray, place: np.ndarray) -> float:
    """How far a place (2,) lies within the convex hull of contact points (M, 2), negative outside.

    -inf where there is no point; minus the distance where they all lie on one line [m].
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(points):
        return -np.inf
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        return -_distance_to_line(points, place)
    margin = -float(np.max(hull.equations[:, :2] @ place + hull.equations[:, 2]))
    if margin >= 0:
        return margin
    corners = points[hull.vertices]
    return -_distance_to_edges(corners, np.roll(corners, -1, axis=0), place)


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


def _distance_to_line(points: np.ndarray, place: np.ndarray) -> float:
    """To the segment between the two outermost points."""
    middle = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - middle, full_matrices=False)
    along = (points - middle) @ axes[0]
    ends = points[[int(np.argmin(along))]], points[[int(np.argmax(along))]]
    return _distance_to_edges(*ends, place)


def _distance_to_edges(start: np.ndarray, end: np.ndarray, place: np.ndarray) -> float:
    span = end - start
    length = np.maximum((span**2).sum(axis=1), 1e-18)
    along = np.clip(((place - start) * span).sum(axis=1) / length, 0, 1)
    return float(np.linalg.norm(start + along[:, None] * span - place, axis=1).min())


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
    for members in faces[:MAX_FACES]:
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
