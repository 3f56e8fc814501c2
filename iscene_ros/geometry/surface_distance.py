"""Distances to the surface of a mesh, and its agreement with observed points.

`trimesh.proximity.closest_point` would be exact, but needs rtree, which is no dependency here.
"""

from __future__ import annotations

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from iscene_ros.core.scene import Mesh

# Anchors on the surface through which the nearest triangles of a point are found.
ANCHORS = 10_000
CANDIDATES = 8

SURFACE_SAMPLES = 3000
RESIDUAL_POINTS = 1000
# The median of many distances needs fewer anchors than each of them.
RESIDUAL_ANCHORS = 2000


def sample_surface(mesh: Mesh, count: int, seed: int = 0) -> np.ndarray:
    """Return (count, 3) float64 points spread evenly by area over the surface [m].

    Any prefix of them is spread evenly, too.
    """
    points, _ = trimesh.sample.sample_surface(_trimesh(mesh), count, seed=seed)
    return np.asarray(points)


class Surface:
    """A mesh's surface, indexed for many distance queries.

    Distances are exact to the nearest of several candidate triangles: those of the anchors closest
    to a point. They are never too small, and rarely too large: by up to the spacing of the anchors
    where a sliver has few of them (bodies of 0.15 m: 0.005 mm on average, 0.8 mm at worst).

    Args:
        mesh: with at least one triangle [m].
        anchors: points spread over the surface, besides one on each triangle.
    """

    def __init__(self, mesh: Mesh, anchors: int = ANCHORS) -> None:
        body = _trimesh(mesh)
        sampled, face = trimesh.sample.sample_surface(body, anchors, seed=0)
        self._triangles = np.asarray(body.triangles)
        self._face = np.concatenate([face, np.arange(len(body.faces))])
        self._tree = cKDTree(np.concatenate([sampled, body.triangles_center]))

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Return the unsigned distances (M,) of points (M, 3) to the surface [m]."""
        points = np.asarray(points, np.float64)
        count = min(CANDIDATES, len(self._face))
        _, nearest = self._tree.query(points, k=count)
        triangles = self._triangles[self._face[nearest.reshape(-1)]]
        repeated = np.repeat(points, count, axis=0)
        closest = trimesh.triangles.closest_point(triangles, repeated)
        return np.linalg.norm(closest - repeated, axis=1).reshape(-1, count).min(axis=1)


def observed_fraction(mesh: Mesh, points: np.ndarray, tolerance: float) -> float:
    """Return the share of the surface area within a tolerance [m] of an observed point.

    Args:
        points: (M, 3) observed points in the mesh's frame [m].
        tolerance: about two spacings of the points and of the grid behind the mesh [m].
    """
    if not len(points):
        return 0.0
    surface = sample_surface(mesh, SURFACE_SAMPLES)
    distance, _ = cKDTree(points).query(surface, distance_upper_bound=tolerance)
    return float(np.mean(np.isfinite(distance)))


def observed_vertices(mesh: Mesh, points: np.ndarray, tolerance: float) -> np.ndarray:
    """Return (V,) bool: which vertices lie within a tolerance [m] of observed points (M, 3)."""
    if not len(points):
        return np.zeros(len(mesh.vertices), bool)
    distance, _ = cKDTree(points).query(mesh.vertices, distance_upper_bound=tolerance)
    return np.isfinite(distance)


def depth_residual(mesh: Mesh, points: np.ndarray) -> float:
    """Return the median distance [m] of at most 1000 of the observed points (M, 3) to the surface.

    NaN where there are no points.
    """
    if not len(points):
        return float("nan")
    step = max(1, len(points) // RESIDUAL_POINTS)
    return float(np.median(Surface(mesh, RESIDUAL_ANCHORS).distance(points[::step])))


def _trimesh(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices.astype(np.float64), mesh.faces, process=False)
