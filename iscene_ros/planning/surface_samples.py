"""Points on surfaces of a scene, with what is known of them: where grasps touch and what is in
their way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh, SceneObject
from iscene_ros.geometry.bodies import EXACT_SIGMA_M, surface_sigma
from iscene_ros.geometry.mesh_measures import triangle_areas
from iscene_ros.geometry.surroundings_depth import readings_beside, steady_readings

# Distance of neighbouring points [m], and how many an object has.
SPACING_M = 0.0035
FEWEST, MOST = 500, 5000
OBSERVED_SPACING_M = 0.005
# The surroundings are larger, and nothing is grasped there.
ENVIRONMENT_MOST = 60_000


@dataclass(frozen=True)
class SurfaceSamples:
    """Points spread evenly over a surface, in the scene's frame; so is any prefix of them.

    Attributes:
        points: (P, 3) float32 [m].
        normals: (P, 3) float32 unit directions, outward.
        sigma: (P,) float32 standard deviation of the surface [m].
        observed: (P,) float32, how much of the surface around a point the camera saw, in [0, 1].
        spacing: distance of neighbouring points [m].
    """

    points: np.ndarray
    normals: np.ndarray
    sigma: np.ndarray
    observed: np.ndarray
    spacing: float

    @property
    def outer(self) -> np.ndarray:
        """(P, 3) points of the surface that holds what may be solid [m]."""
        return self.points + self.sigma[:, None] * self.normals

    def first(self, count: int) -> SurfaceSamples:
        """Return the first points, at most `count`."""
        kept = min(count, len(self.points))
        spacing = self.spacing * float(np.sqrt(len(self.points) / max(kept, 1)))
        parts = (self.points, self.normals, self.sigma, self.observed)
        return SurfaceSamples(*(part[:kept] for part in parts), spacing)


def object_samples(item: SceneObject) -> SurfaceSamples | None:
    """Return points on an object; None where its mesh has no finite triangle."""
    count = len(item.mesh.vertices)
    sigma = item.vertex_sigma
    if item.uncertainty == 0.0:
        sigma = np.full(count, EXACT_SIGMA_M)
    elif sigma is None:
        sigma = np.full(count, surface_sigma(item))
    observed = item.vertex_observed
    if observed is None:
        observed = np.full(count, item.observed_fraction)
    return _samples(item.mesh, item.frame_from_object, sigma, observed, (FEWEST, MOST))


def environment_samples(mesh: Mesh) -> SurfaceSamples | None:
    """Return points on the fused surroundings, whose surface is taken as it is."""
    unknown = np.zeros(len(mesh.vertices))
    return _samples(mesh, np.eye(4), unknown, unknown, (FEWEST, ENVIRONMENT_MOST))


def observed_surroundings(
    observations: Sequence[Observation], frame_from_camera: np.ndarray
) -> np.ndarray:
    """Return points (Q, 3) float32 of the surroundings that views show, in the scene's frame [m].

    Args:
        observations: of the scene.
        frame_from_camera: (4, 4) pose of a view that does not know its own.
    """
    found = [np.zeros((0, 3))]
    for view in (observation.rectified() for observation in observations):
        shown = readings_beside(view, view.masks.any(axis=0)) & steady_readings(view.depth)
        rows, columns = np.nonzero(shown)
        points = view.camera.unproject(np.column_stack([columns, rows]), view.depth[shown])
        pose = frame_from_camera if view.world_from_camera is None else view.world_from_camera
        found.append(points @ pose[:3, :3].T + pose[:3, 3])
    points = np.concatenate(found)
    _, first = np.unique(np.round(points / OBSERVED_SPACING_M), axis=0, return_index=True)
    return points[first].astype(np.float32)


def _samples(
    mesh: Mesh,
    frame_from_mesh: np.ndarray,
    sigma: np.ndarray,
    observed: np.ndarray,
    bounds: tuple[int, int],
) -> SurfaceSamples | None:
    areas = triangle_areas(mesh)
    kept = np.isfinite(areas) & (areas > 0)
    faces, areas = mesh.faces[kept], areas[kept]
    if not len(faces):
        return None
    count = int(np.clip(areas.sum() / SPACING_M**2, *bounds))
    surface = trimesh.Trimesh(mesh.vertices.astype(np.float64), faces, process=False)
    points, face = trimesh.sample.sample_surface(surface, count, face_weight=areas, seed=0)
    corners = np.asarray(mesh.vertices, np.float64)[faces[face]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    rotation, origin = frame_from_mesh[:3, :3], frame_from_mesh[:3, 3]
    return SurfaceSamples(
        (points @ rotation.T + origin).astype(np.float32),
        (normals @ rotation.T).astype(np.float32),
        np.asarray(sigma, np.float32)[faces[face]].mean(axis=1),
        np.asarray(observed, np.float32)[faces[face]].mean(axis=1),
        float(np.sqrt(areas.sum() / count)),
    )
