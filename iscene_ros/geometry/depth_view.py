"""What a depth image measures at points in space: distances from the surfaces that it shows."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.camera import Camera

# Nearer readings are the sensor's own noise, farther ones are too noisy for voxels of 1 cm [m].
NEAR_M, READ_WITHIN_M = 0.1, 3.0
# Distances are measured up to this [m].
TRUNCATION_M = 0.03
# A point deeper than the first behind a surface counts less and less, up to the second, from where
# on it counts so little; nothing is known of one that is deeper than the third [m].
BEHIND_M, HIDDEN_M, DEEPEST_M = 0.005, 0.014, 0.02
HIDDEN_WEIGHT = 0.1
# Half the number of pixels over which the slope of a surface is measured; least cosine of its
# angle.
SLOPE_PIXELS, LEAST_COSINE = 3, 0.2


class DepthView:
    """A depth image of the surroundings.

    Args:
        depth: (H, W) float32 [m], 0 = no reading.
        camera: rectified.
    """

    def __init__(self, depth: np.ndarray, camera: Camera) -> None:
        self._depth, self._camera = depth, camera
        self._cosine = surface_cosine(depth, camera)

    def readings(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return signed distances from the surface and their weights, both (M,) float32.

        Distances are in units of the truncation, at most 1, positive in front of the surface; the
        weight is 0 where nothing is known.

        Args:
            points: (3, M) float32 points_camera [m].
        """
        pixel, seen = self._pixels(points)
        depth, cosine = self._depth.ravel()[pixel], self._cosine.ravel()[pixel]
        distance = (depth - points[2]) * cosine
        # The noise of a reading grows with the square of its depth and with the slope.
        weight = cosine / np.maximum(depth * depth, np.float32(1))
        hidden = (distance + np.float32(BEHIND_M)) * np.float32(1 / (HIDDEN_M - BEHIND_M))
        weight *= np.clip(1 + hidden, HIDDEN_WEIGHT, 1)
        weight *= seen & (depth > 0) & (distance > -DEEPEST_M)
        return np.minimum(distance * np.float32(1 / TRUNCATION_M), np.float32(1)), weight

    def may_show(self, points_camera: np.ndarray, radius: float) -> np.ndarray:
        """Return (M,) bool: which balls around points (M, 3) the image may show [m]."""
        camera, z = self._camera, points_camera[:, 2]
        ahead = np.maximum(z, radius)
        pixels = camera.project(np.column_stack([points_camera[:, :2], ahead]))
        # The image of a ball is larger than its radius by the angle at which it is seen.
        margin = 2 * camera.k.diagonal()[:2] * (radius / ahead)[:, None]
        size = camera.width, camera.height
        inside = np.all((pixels > -margin) & (pixels < size + margin), axis=1)
        return (inside | (z < 2 * radius)) & (z > -radius) & (z < READ_WITHIN_M + radius)

    def _pixels(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (M,) int32 nearest pixels of points (3, M), 0 where they are not in the image."""
        x, y, z = points
        camera, k = self._camera, self._camera.k.astype(np.float32)
        ahead = np.maximum(z, np.float32(NEAR_M))
        # Adding a half before the fraction is cut off rounds to the nearest pixel.
        u = (k[0, 0] * x + k[0, 1] * y) / ahead + (k[0, 2] + np.float32(0.5))
        v = k[1, 1] * y / ahead + (k[1, 2] + np.float32(0.5))
        seen = (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
        seen &= (z > NEAR_M) & (z < READ_WITHIN_M)
        row = np.where(seen, v, 0).astype(np.int32)
        return row * camera.width + np.where(seen, u, 0).astype(np.int32), seen


def surface_cosine(depth: np.ndarray, camera: Camera) -> np.ndarray:
    """Return (H, W) float32 by which a difference of depth becomes a distance from the surface.

    For a plane n . p = d and the ray r = (x, y, 1) of a pixel it is n . r; with the slopes a and b
    of the logarithm of the depth along x and y, n is along (-a, -b, 1 + a x + b y).
    """
    step, known = SLOPE_PIXELS, depth > 0
    slopes = []
    for axis, focal in ((1, camera.k[0, 0]), (0, camera.k[1, 1])):
        before, after = np.roll(depth, step, axis), np.roll(depth, -step, axis)
        both = known & (before > 0) & (after > 0)
        change = (after - before) * np.float32(focal / (2 * step))
        slopes.append(np.where(both, change / np.maximum(depth, np.float32(NEAR_M)), 0))
    a, b = slopes
    x = (np.arange(camera.width) - camera.k[0, 2]) / camera.k[0, 0]
    y = (np.arange(camera.height) - camera.k[1, 2]) / camera.k[1, 1]
    c = 1 + a * x.astype(np.float32) + b * y.astype(np.float32)[:, None]
    return np.maximum(1 / np.sqrt(a * a + b * b + c * c), np.float32(LEAST_COSINE))
