"""Visibility of the objects of the map in the newest camera image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import SceneObject
from iscene_ros.geometry.rasteriser import vertex_normals

SAMPLES = 400
NEAR_M = 0.05
# Depth noise below which a surface does not count as hidden behind what the camera sees.
MARGIN_M = 0.02
LEAST_IN_VIEW = LEAST_UNHIDDEN = 0.5
LEAST_READINGS = 0.2


@dataclass(frozen=True)
class CameraView:
    """An observation and the pose of its camera.

    Attributes:
        observation: rectified.
        frame_from_camera: (4, 4) float64 rigid [m], into the frame of the objects' poses.
    """

    observation: Observation
    frame_from_camera: np.ndarray

    def should_show(self, item: SceneObject, moved_to: int | None = None) -> bool:
        """Return whether most of an object's near side is in view and not occluded.

        Where the depth image has hardly a reading, visibility is unknown, and this returns False.

        Args:
            item: the object at its last pose.
            moved_to: id of an instance that is not an occluder, since it may be the object itself.
        """
        u, v, z, in_view = self._near_side(item)
        if in_view < LEAST_IN_VIEW:
            return False
        depth = self.observation.depth[v, u]
        own = np.zeros(len(z), bool) if moved_to is None else self.mask(moved_to)[v, u]
        has_reading = depth > 0
        if has_reading.mean() < LEAST_READINGS:
            return False
        unhidden = (depth >= z - MARGIN_M) | own
        return bool(unhidden[has_reading].mean() >= LEAST_UNHIDDEN)

    def covered_share(self, item: SceneObject, pixels: np.ndarray) -> float:
        """Return the share of an object's near side that lies in pixels (H, W) bool, in [0, 1]."""
        u, v, _, in_view = self._near_side(item)
        return float(pixels[v, u].mean() * in_view) if len(u) else 0.0

    def mask(self, instance_id: int) -> np.ndarray:
        """Return the (H, W) bool mask of an instance."""
        return self.observation.masks[self.observation.instance_ids.index(instance_id)]

    def _near_side(self, item: SceneObject) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Project the vertices of an object that face the camera.

        Returns:
            (M,) int64 pixels u, v and (M,) depths [m] of those in the image; their share.
        """
        step = max(1, len(item.mesh.vertices) // SAMPLES)
        camera_from_object = np.linalg.inv(self.frame_from_camera) @ item.frame_from_object
        rotation = camera_from_object[:3, :3]
        points = item.mesh.vertices[::step] @ rotation.T + camera_from_object[:3, 3]
        normals = vertex_normals(item.mesh)[::step] @ rotation.T
        points = points[np.einsum("ij,ij->i", normals, points) < 0]
        in_front = points[points[:, 2] > NEAR_M]
        camera = self.observation.camera
        pixels = np.rint(np.clip(camera.project(in_front), -1, 1 << 30)).astype(np.int64)
        inside = np.all((pixels >= 0) & (pixels < (camera.width, camera.height)), axis=1)
        u, v = pixels[inside].T
        return u, v, in_front[inside, 2], len(u) / max(1, len(points))
