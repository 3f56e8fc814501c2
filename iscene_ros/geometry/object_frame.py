"""An upright frame of an object's own: origin at the centre of its box, the box a tight one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from iscene_ros.core.scene import Mesh

# Boxes whose footprint is this close to the smallest count as equally tight; of these the one with
# the smallest yaw is taken, so that the frame of a round object stands still.
EQUALLY_TIGHT = 1.02


class PlacedMesh(NamedTuple):
    """A mesh in its own frame.

    Attributes:
        mesh: vertices in the object frame [m].
        frame_from_object: (4, 4) float64 rigid transform.
        size: (3,) float64 edge lengths of the box along the object's axes [m].
    """

    mesh: Mesh
    frame_from_object: np.ndarray
    size: np.ndarray


def object_frame(mesh: Mesh, frame_from_mesh: np.ndarray, up: np.ndarray) -> PlacedMesh:
    """Transform a mesh to an upright frame of its own.

    Yaw follows the smallest rectangle around the horizontal projection, within [-45, 45) degrees
    of the frame's x axis (of its y axis where x is nearly vertical).

    Args:
        mesh: in any frame [m].
        frame_from_mesh: (4, 4) rigid transform to the frame in which the object is placed.
        up: (3,) direction against gravity in that frame, any length.
    """
    vertices_frame = mesh.vertices.astype(np.float64) @ frame_from_mesh[:3, :3].T
    vertices_frame += frame_from_mesh[:3, 3]
    frame_from_upright = upright_axes(np.asarray(up, np.float64))
    yaw = tightest_yaw((vertices_frame @ frame_from_upright)[:, :2])
    rotation = frame_from_upright @ _rotation_z(yaw)
    vertices = vertices_frame @ rotation
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    center = 0.5 * (low + high)
    frame_from_object = np.eye(4)
    frame_from_object[:3, :3] = rotation
    frame_from_object[:3, 3] = rotation @ center
    centred = Mesh((vertices - center).astype(np.float32), mesh.faces)
    return PlacedMesh(centred, frame_from_object, high - low)


def tightest_yaw(points: np.ndarray) -> float:
    """Return the angle [rad] in [-pi/4, pi/4) of the smallest rectangle around (M, 2) points."""
    try:
        hull = points[ConvexHull(points).vertices]
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        hull = points
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.arctan2(edges[:, 1], edges[:, 0])
    yaws = np.append((angles + np.pi / 4) % (np.pi / 2) - np.pi / 4, 0.0)
    areas = np.array([np.prod(np.ptp(hull @ _rotation_z(yaw)[:2, :2], axis=0)) for yaw in yaws])
    tight = yaws[areas <= EQUALLY_TIGHT * areas.min()]
    return float(tight[np.argmin(np.abs(tight))])


def upright_axes(up: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) to z up, with x along the horizontal part of the x (or y) axis."""
    z = up / np.linalg.norm(up)
    reference = np.eye(3)[0 if abs(z[0]) < 0.9 else 1]
    x = reference - z * (reference @ z)
    x /= np.linalg.norm(x)
    return np.column_stack([x, np.cross(z, x), z])


def _rotation_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
