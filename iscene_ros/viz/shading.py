"""Shading of renderings: light from above and from the camera, darker creases and outlines."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from iscene_ros.geometry.rasteriser import BACKGROUND, Rendering

AMBIENT, FROM_ABOVE, FROM_CAMERA = 0.42, 0.40, 0.26
OUTLINE = 0.55
# A pixel this much behind the mean of its surroundings [m] is in a crease and fully darkened.
CREASE_M = 0.05
CREASE_DARKENING = 0.45


def shade(
    rendering: Rendering, colors: np.ndarray, up_camera: np.ndarray, background: np.ndarray
) -> np.ndarray:
    """Colour a rendering over a background.

    Args:
        rendering: of the meshes.
        colors: (N, 3) uint8 sRGB of the meshes.
        up_camera: (3,) unit vector against gravity in the camera's frame.
        background: (H, W, 3) uint8.

    Returns:
        (H, W, 3) uint8.
    """
    covered = rendering.ids != BACKGROUND
    image = background.copy()
    # A pixel that lies behind those around it is in a crease.
    radius = max(covered.shape) / 60
    depth = np.where(covered, rendering.depth, np.float32(0))
    mean = soft_blur(depth, radius) / np.maximum(soft_blur(covered, radius), 1e-6)
    creases = 1 - CREASE_DARKENING * np.clip((depth - mean) / CREASE_M, 0, 1)
    light = _light(rendering.normals[covered], up_camera) * creases[covered]
    light = np.where(_outlines(rendering.ids)[covered], OUTLINE * light, light)
    shaded = colors[rendering.ids[covered]] * light[:, None].astype(np.float32)
    image[covered] = np.clip(shaded, 0, 255).astype(np.uint8)
    return image


def soft_blur(image: np.ndarray, radius: float) -> np.ndarray:
    """Return (H, W) float32, blurred by a wide Gaussian that is computed on every fourth pixel."""
    coarse = Image.fromarray(image.astype(np.float32)).reduce(4)
    blurred = gaussian_filter(np.asarray(coarse), radius / 4, truncate=2.5)
    size = image.shape[1], image.shape[0]
    return np.asarray(Image.fromarray(blurred).resize(size, Image.Resampling.BILINEAR))


def _light(normals: np.ndarray, up_camera: np.ndarray) -> np.ndarray:
    """Return the brightness of surfaces; half-Lambert from above keeps shape on undersides."""
    from_above = 0.5 + 0.5 * normals @ up_camera
    from_camera = np.clip(-normals[:, 2], 0, 1)
    return AMBIENT + FROM_ABOVE * from_above + FROM_CAMERA * from_camera


def _outlines(ids: np.ndarray) -> np.ndarray:
    """Return (H, W) bool, True along the borders between meshes and the background."""
    edge = np.zeros(ids.shape, bool)
    for axis in (0, 1):
        change = np.diff(ids, axis=axis) != 0
        before = np.zeros(ids.shape, bool)
        before[tuple(slice(0, size) for size in change.shape)] = change
        edge |= before | np.roll(before, 1, axis=axis)
    return edge
