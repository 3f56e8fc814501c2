"""Whether a view should show a known object."""

from __future__ import annotations

import numpy as np

from iscene_ros.observation import Observation
from iscene_ros.pictures.rendering import vertex_normals
from iscene_ros.scene import SceneObject

SAMPLES = 400
NEAR_M = 0.05
# Depth noise below which a surface does not count as hidden behind what the camera sees.
MARGIN_M = 0.02
LEAST_IN_VIEW = LEAST_UNHIDDEN = 0.5
LEAST_READINGS = 0.2


def should_be_visible(
    item: SceneObject, observation: Observation, frame_from_camera: np.ndarray
) -> bool:
    """Whether most of the side that faces the camera is in the picture, with nothing before it.

    Where the depth image has hardly a reading there, the answer is no: nothing can be said.

    Args:
        item: with its pose in the frame of `frame_from_camera`.
        observation: a rectified view.
        frame_from_camera: (4, 4) rigid [m].
    """
    pixels, z = _facing_pixels(item, observation, frame_from_camera)
    if not len(z):
        return False
    camera = observation.camera
    inside = np.all((pixels >= 0) & (pixels < (camera.width, camera.height)), axis=1)
    if inside.mean() < LEAST_IN_VIEW:
        return False
    depth = observation.depth[pixels[inside, 1], pixels[inside, 0]]
    has_reading = depth > 0
    if has_reading.mean() < LEAST_READINGS:
        return False
    return bool(np.mean((depth >= z[inside] - MARGIN_M)[has_reading]) >= LEAST_UNHIDDEN)


def covered_share(
    item: SceneObject, mask: np.ndarray, observation: Observation, frame_from_camera: np.ndarray
) -> float:
    """Share of the side that faces the camera whose pixels lie in a mask (H, W), in [0, 1]."""
    pixels, _ = _facing_pixels(item, observation, frame_from_camera)
    height, width = mask.shape
    inside = np.all((pixels >= 0) & (pixels < (width, height)), axis=1)
    hits = mask[pixels[inside, 1], pixels[inside, 0]]
    return float(hits.sum() / max(1, len(pixels)))


def _facing_pixels(
    item: SceneObject, observation: Observation, frame_from_camera: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (M, 2) int64 u, v and depths (M,) [m] of vertices that face the camera."""
    step = max(1, len(item.mesh.vertices) // SAMPLES)
    camera_from_object = np.linalg.inv(frame_from_camera) @ item.frame_from_object
    rotation = camera_from_object[:3, :3]
    points = item.mesh.vertices[::step] @ rotation.T + camera_from_object[:3, 3]
    normals = vertex_normals(item.mesh)[::step] @ rotation.T
    facing = (np.einsum("ij,ij->i", normals, points) < 0) & (points[:, 2] > NEAR_M)
    points = points[facing]
    pixels = np.clip(np.rint(observation.camera.project(points)), -1, 1 << 30).astype(np.int64)
    return pixels, points[:, 2]
