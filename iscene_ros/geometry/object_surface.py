"""Points spread over the surface of a completed object, for comparison with what a camera sees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from iscene_ros.core.scene import SceneObject

SAMPLES = 1000
# Observed surfaces are right to this share of the object's diagonal, at least to so much [m], and
# guessed ones to this larger share.
OBSERVED_TOLERANCE, LEAST_TOLERANCE_M, GUESSED_TOLERANCE = 0.05, 0.005, 0.15


@dataclass(frozen=True)
class ObjectSurface:
    """A sample of an object's surface, in the object's own frame.

    Attributes:
        points: (P, 3) float64 [m]; P = 0 for a mesh without triangles.
        normals: (P, 3) float64 unit directions to the outside.
        tolerance: (P,) float64, distance within which the true surface is expected [m].
        spacing: mean distance of neighbours [m].
    """

    points: np.ndarray
    normals: np.ndarray
    tolerance: np.ndarray
    spacing: float

    @classmethod
    def of(cls, item: SceneObject) -> ObjectSurface:
        """Return the surface of an object; the same object gives the same sample."""
        vertices, faces = item.mesh.vertices.astype(np.float64), item.mesh.faces
        corners = vertices[faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        areas = np.linalg.norm(normals, axis=1)
        total = areas.sum() if len(faces) else 0.0
        if total <= 0:
            return cls(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), 0.0)
        rng = np.random.default_rng(0)
        steps = (np.arange(SAMPLES) + rng.random(SAMPLES)) / SAMPLES
        chosen = np.minimum(np.searchsorted(np.cumsum(areas) / total, steps), len(faces) - 1)
        a, b = rng.random((2, SAMPLES, 1))
        outside = a + b > 1
        a, b = np.where(outside, 1 - a, a), np.where(outside, 1 - b, b)
        first, second, third = corners[chosen].transpose(1, 0, 2)
        diagonal = float(np.linalg.norm(item.size))
        observed = max(LEAST_TOLERANCE_M, OBSERVED_TOLERANCE * diagonal)
        tolerance = np.full(SAMPLES, max(observed, GUESSED_TOLERANCE * diagonal))
        if item.vertex_observed is not None:
            tolerance[item.vertex_observed[faces[chosen]].any(axis=1)] = observed
        return cls(
            first + a * (second - first) + b * (third - first),
            normals[chosen] / np.maximum(areas[chosen, None], 1e-300),
            tolerance,
            float(np.sqrt(0.5 * total / SAMPLES)),
        )

    @cached_property
    def tree(self) -> cKDTree:
        """Search tree of the points."""
        return cKDTree(self.points, balanced_tree=False, compact_nodes=False)

    @cached_property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return self.points.min(axis=0), self.points.max(axis=0)

    def share_on(self, points: np.ndarray, tolerance: float | None = None) -> float:
        """Return the share of points (M, 3) [m] that lie on the surface, in [0, 1].

        Args:
            points: in the object's frame.
            tolerance: instead of that of the surface [m].
        """
        if not len(self.points) or not len(points):
            return 0.0
        count, (low, high) = len(points), self._bounds
        reach = (self.tolerance.max() if tolerance is None else tolerance) + self.spacing
        # Most points of another object are far from this one: they need no search.
        points = points[np.all((points >= low - reach) & (points <= high + reach), axis=1)]
        distance, nearest = self.tree.query(points)
        allowed = self.tolerance[nearest] if tolerance is None else tolerance
        offset = np.einsum("ij,ij->i", self.normals[nearest], points - self.points[nearest])
        on = (np.abs(offset) <= allowed) & (distance <= allowed + self.spacing)
        return float(np.count_nonzero(on) / count)
