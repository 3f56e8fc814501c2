"""Images in the camera's view: the input, its masks, and the completed scene."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion, distance_transform_edt

from iscene_ros.core.colors import instance_color
from iscene_ros.core.observation import Observation, window_of
from iscene_ros.core.scene import Scene
from iscene_ros.geometry.rasteriser import render, scaled_camera
from iscene_ros.viz.shading import shade

MASK_OPACITY = 0.45
CONTOUR_PIXELS = 3
DARKENED = 0.32
SKIPPED_COLOR = np.array([150, 150, 150], np.uint8)


def input_image(observation: Observation, width: int, height: int) -> np.ndarray:
    """Return the colour image, or the depth where there is none, as (height, width, 3) uint8."""
    image = observation.rgb
    if image is None:
        # Lighter for nearer readings, and almost black without one.
        depth, known = observation.depth, observation.depth > 0
        near, far = np.percentile(depth[known], [2, 98]) if known.any() else (0.0, 1.0)
        grey = 235 - 190 * np.clip((depth - near) / max(far - near, 1e-6), 0, 1)
        image = np.where(known, grey, 20).astype(np.uint8)[..., None].repeat(3, -1)
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def draw_masks(observation: Observation, skipped: set[int], width: int, height: int) -> np.ndarray:
    """Return the input with its masks, skipped ones in grey, as (height, width, 3) uint8."""
    image = input_image(observation, width, height).astype(np.float32)
    for instance_id, mask in zip(observation.instance_ids, observation.masks, strict=True):
        color = SKIPPED_COLOR if instance_id in skipped else instance_color(instance_id)
        whole = Image.fromarray(mask.astype(np.uint8) * 255)
        whole = np.asarray(whole.resize((width, height), Image.Resampling.BICUBIC)) >= 128
        window = window_of(whole, margin=1)
        inside, part = whole[window], image[window]
        contour = inside & ~binary_erosion(inside, iterations=CONTOUR_PIXELS)
        part[inside] += np.float32(MASK_OPACITY) * (color - part[inside])
        part[contour] = color
    return image.astype(np.uint8)


def draw_completed(scene: Scene, observation: Observation, width: int, height: int) -> np.ndarray:
    """Return the completed meshes over the darkened input as (height, width, 3) uint8."""
    background = input_image(observation, width, height)
    grey = background.mean(-1, keepdims=True, dtype=np.float32)
    background = (DARKENED * (0.5 * background + 0.5 * grey)).astype(np.uint8)
    if not scene.objects:
        return background
    camera_from_frame = np.linalg.inv(scene.frame_from_camera)
    meshes = [o.mesh.transformed(camera_from_frame @ o.frame_from_object) for o in scene.objects]
    camera = scaled_camera(observation.camera, width, height)
    rendering = render(meshes, camera, outer_sides=True)
    colors = np.stack([o.color for o in scene.objects])
    return shade(rendering, colors, -scene.gravity_camera, background)


def mask_anchor(mask: np.ndarray) -> tuple[float, float]:
    """Return the point (u, v) of a mask farthest from its border, as shares of the image size."""
    step = max(1, max(mask.shape) // 320)
    coarse = mask[::step, ::step]
    if not coarse.any():
        coarse, step = mask, 1
    row, column = np.unravel_index(np.argmax(distance_transform_edt(coarse)), coarse.shape)
    return (column + 0.5) * step / mask.shape[1], (row + 0.5) * step / mask.shape[0]
