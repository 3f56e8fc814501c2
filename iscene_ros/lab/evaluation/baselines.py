"""Baseline completions from the visible points of one instance.

All are given the same points without outliers of bleeding masks and flying pixels, in the
gravity-aligned frame: z up, the camera at the origin, y its horizontal viewing direction. Of
several variants of each baseline the best on training families is kept: points are mirrored about
the plane of the silhouette rather than about their centroid or their far end; extrusion fills the
columns under a height field over the convex footprint rather than the hull of the points and their
shadow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError, cKDTree

from iscene_ros.core.frames import Cube
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.marching_cubes import mesh_from_distance

# (points_aligned (M, 3), support_height) [m] -> closed mesh in the gravity-aligned frame.
Completion = Callable[[np.ndarray, float], Mesh | None]

# A point is an outlier where its 9th neighbour is this much further than usual.
OUTLIER_NEIGHBOUR = 9
OUTLIER_FACTOR = 4.0

# Share of the points at either side that make up the silhouette.
SILHOUETTE = 0.01

FIELD_RESOLUTION = 48
FACES = 5000


def hull(points_aligned: np.ndarray, support_height: float) -> Mesh | None:
    """Return the convex hull of the visible points."""
    return _hull_of(without_outliers(points_aligned))


def mirrored(points_aligned: np.ndarray, support_height: float) -> Mesh | None:
    """Return the convex hull of the visible points and their mirror images.

    The mirror is a vertical plane across the horizontal direction from the camera, through the
    silhouette: as deep as the leftmost and rightmost points, at least as deep as the middle of all.
    """
    points = without_outliers(points_aligned)
    if not len(points):
        return None
    ahead = _horizontal_direction(points.mean(axis=0))
    depth, lateral = points @ ahead, points @ np.cross(ahead, [0.0, 0.0, 1.0])
    left, right = np.quantile(lateral, [SILHOUETTE, 1 - SILHOUETTE])
    sides = 0.5 * (np.median(depth[lateral <= left]) + np.median(depth[lateral >= right]))
    plane = max(sides, 0.5 * (depth.min() + depth.max()))
    images = points + 2 * (plane - depth)[:, None] * ahead
    return _hull_of(np.concatenate([points, images]))


def extruded(points_aligned: np.ndarray, support_height: float) -> Mesh | None:
    """Return the body between the visible points and the support, over their convex footprint."""
    points = without_outliers(points_aligned)
    try:
        footprint = ConvexHull(points[:, :2]).equations
    except (QhullError, ValueError):  # fewer than three points, or all on one line from above
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    low[2] = min(low[2], support_height)
    cube = Cube(0.5 * (low + high), 1.1 * float((high - low).max()) + 0.002)
    centers = cube.voxel_centers_aligned(FIELD_RESOLUTION)
    sides = (centers[:, :, 0, :2] @ footprint[:, :2].T + footprint[:, 2]).max(axis=-1)
    above = centers[..., 2] - _height_field(points, cube)[..., None]
    distance = np.maximum(np.maximum(above, low[2] - centers[..., 2]), sides[..., None])
    return mesh_from_distance(distance, cube, FACES)


BASELINES: dict[str, Completion] = {"convex hull": hull, "mirrored": mirrored, "extruded": extruded}


def without_outliers(points: np.ndarray) -> np.ndarray:
    """Remove the points (M, 3) whose neighbours are much further than usual."""
    if len(points) <= OUTLIER_NEIGHBOUR:
        return points
    distance, _ = cKDTree(points).query(points, k=[OUTLIER_NEIGHBOUR + 1])
    return points[distance[:, 0] <= OUTLIER_FACTOR * np.median(distance)]


def _hull_of(points: np.ndarray) -> Mesh | None:
    """Return the convex hull; None where the points lie in a plane or are too few."""
    try:
        found = ConvexHull(points)
    except (QhullError, ValueError):
        return None
    used, faces = np.unique(found.simplices, return_inverse=True)
    vertices, faces = points[used], faces.reshape(-1, 3)
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), found.equations[:, :3]) < 0
    faces[inward] = faces[inward][:, ::-1]
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32))


def _horizontal_direction(vector: np.ndarray) -> np.ndarray:
    """Return the (3,) horizontal unit vector, or the viewing direction if there is none."""
    horizontal = np.array([vector[0], vector[1], 0.0])
    length = np.linalg.norm(horizontal)
    return horizontal / length if length > 1e-6 else np.array([0.0, 1.0, 0.0])


def _height_field(points: np.ndarray, cube: Cube) -> np.ndarray:
    """Return (R, R) the highest point [m] over each cell, or over the nearest cell that has one."""
    cells = np.floor((cube.from_aligned(points)[:, :2] + 0.5) * FIELD_RESOLUTION).astype(int)
    top = np.full((FIELD_RESOLUTION, FIELD_RESOLUTION), -np.inf)
    np.maximum.at(top, (cells[:, 0], cells[:, 1]), points[:, 2])
    empty = ~np.isfinite(top)
    nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
    return top[tuple(nearest)]
