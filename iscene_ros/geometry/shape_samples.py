"""A body's surface as points with normals, around its centre and along its principal axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from iscene_ros.geometry.bodies import Body

POINTS = 2500
PROBES = 400

# Surfaces that are apart by less than this share of an object's size look the same; surfaces that
# are off by more than the other one could be of anything.
SAMENESS = 0.006
UNSURE = 0.012

# The surface that is hit by a transformed point is the nearest of so many whose normal agrees.
NEIGHBOURS = 4


@dataclass(frozen=True)
class ShapeSample:
    """Points of a surface, relative to the centre of mass.

    Attributes:
        points, normals: (N, 3) float64 [m]; any prefix is spread evenly.
        tree: of the points.
        axes: (3, 3) principal directions in the rows, the longest extent first.
        spread: (3,) standard deviations along them [m].
        size: length of the diagonal of the box along the axes [m].
        spacing: of the points [m].
        sigma: standard deviation by which a part of the surface may be off [m].
        volume: [m^3].
    """

    points: np.ndarray
    normals: np.ndarray
    tree: cKDTree
    axes: np.ndarray
    spread: np.ndarray
    size: float
    spacing: float
    sigma: float
    volume: float

    @classmethod
    def of(cls, body: Body) -> ShapeSample:
        """Sample a body's surface; the same body gives the same points."""
        mesh = trimesh.Trimesh(body.vertices, body.faces, process=False)
        points, faces = trimesh.sample.sample_surface(mesh, POINTS, seed=0)
        points = np.asarray(points) - body.center_of_mass
        spread, axes = np.linalg.eigh(_surface_moment(mesh.triangles - body.center_of_mass))
        extent = np.ptp(points @ axes, axis=0)
        return cls(
            points,
            np.asarray(mesh.face_normals)[faces],
            cKDTree(points),
            axes.T[::-1],
            np.sqrt(np.maximum(spread, 0.0))[::-1],
            float(np.linalg.norm(extent)),
            float(np.sqrt(mesh.area / POINTS)),
            body.sigma,
            body.volume,
        )

    @property
    def tolerance(self) -> float:
        """How far two surfaces may be apart and still count as the same [m]."""
        unsure = min(self.sigma, UNSURE * self.size)
        return float(np.hypot(unsure, SAMENESS * self.size))

    def error(self, points: np.ndarray, normals: np.ndarray) -> float:
        """Root mean square distance of points (M, 3) with normals (M, 3) to the surface [m]."""
        distance, nearest = self.tree.query(points, k=NEIGHBOURS)
        agrees = np.einsum("mkj,mj->mk", self.normals[nearest], normals) > 0.3
        choice = np.where(agrees.any(axis=1), np.argmax(agrees, axis=1), 0)
        row = np.arange(len(points))
        chosen = nearest[row, choice]
        offset = points - self.points[chosen]
        along = np.abs(np.einsum("mj,mj->m", offset, self.normals[chosen]))
        # Beyond the spacing of the points the plane through the nearest one says nothing more.
        far = distance[row, choice] > 3 * self.spacing
        return float(np.sqrt(np.mean(np.where(far, distance[row, 0], along) ** 2)))

    def transformed_error(self, rotation: np.ndarray, probes: int = PROBES) -> float:
        """Root mean square distance after a rotation or reflection (3, 3) about the centre [m]."""
        points, normals = self.points[:probes], self.normals[:probes]
        return self.error(points @ rotation.T, normals @ rotation.T)


def _surface_moment(triangles: np.ndarray) -> np.ndarray:
    """(3, 3) mean of p p^T over the surface of triangles (T, 3, 3)."""
    a, b, c = np.moveaxis(triangles, 1, 0)
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    total = a + b + c
    parts = sum(np.einsum("t,ti,tj->ij", area, p, p) for p in (a, b, c, total))
    return parts / 12.0 / max(float(area.sum()), 1e-18)
