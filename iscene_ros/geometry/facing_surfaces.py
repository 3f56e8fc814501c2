"""Which points of two surfaces face the same way.

Views from two sides show the front and the back of a thin thing. They are closer than an error of a
pose may be, and a registration by closeness alone would lay one onto the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

NEIGHBOURS = 20
# A difference of normals counts as this share of the reach, so that a surface that faces the other
# way is out of reach at any place.
NORMAL_WEIGHT = 0.7


@dataclass(frozen=True)
class SeenSurface:
    """Points of a surface and its normals, towards the side that was seen.

    Attributes:
        points: (M, 3) float64 [m].
        normals: (M, 3) float64 unit vectors.
    """

    points: np.ndarray
    normals: np.ndarray

    @classmethod
    def from_points(cls, points: np.ndarray, viewpoint: np.ndarray) -> SeenSurface:
        """Return the surface of points (M, 3) seen from a viewpoint (3,), in one frame [m]."""
        import small_gicp  # a compiled library: loaded when several views are used

        cloud = small_gicp.PointCloud(points - viewpoint)
        if not len(points):
            return cls(np.zeros((0, 3)), np.zeros((0, 3)))
        small_gicp.estimate_normals(cloud, small_gicp.KdTree(cloud), num_neighbors=NEIGHBOURS)
        normals = cloud.normals()[:, :3].copy()
        away = np.sum(normals * (points - viewpoint), axis=1) > 0
        normals[away] *= -1
        return cls(points, normals)

    @classmethod
    def concatenated(cls, surfaces: list[SeenSurface]) -> SeenSurface:
        """Return all surfaces as one."""
        points, normals = zip(*((s.points, s.normals) for s in surfaces), strict=True)
        return cls(np.concatenate(points), np.concatenate(normals))

    def facing(self, other: SeenSurface, reach: float) -> np.ndarray:
        """Return the points (K, 3) that have one of another surface near that faces the same way.

        Args:
            other: surface in the same frame.
            reach: points further away than this are not near [m].
        """
        if not len(self.points) or not len(other.points):
            return np.zeros((0, 3))
        weight = NORMAL_WEIGHT * reach
        own, others = (np.hstack([s.points, weight * s.normals]) for s in (self, other))
        distance, _ = cKDTree(others).query(own, distance_upper_bound=reach)
        return self.points[np.isfinite(distance)]
