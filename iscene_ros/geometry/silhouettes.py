"""Silhouettes: the pixels that meshes cover, hidden or not; far cheaper than rendering.

Seen from a point, the triangles that face it cover a pixel as often as their outlines wind around
it. Along a row of pixels, an edge that goes down adds a layer and one that goes up takes one away.
Edges shared by two such triangles go both ways and cancel, so only the silhouette is left.
"""

from __future__ import annotations

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.rasteriser import NEAR_M


def silhouette(mesh_camera: Mesh, camera: Camera) -> np.ndarray:
    """Return (H, W) bool: the pixels whose centres a mesh covers, without lens distortion.

    A triangle with a corner nearer than 1 cm is left out.

    Args:
        mesh_camera: closed, counter-clockwise from outside, in the optical frame [m].
        camera: intrinsics of the image; pixel centres have integer coordinates.
    """
    triangles = _facing_triangles(mesh_camera, camera)
    start, end = triangles.reshape(-1, 2), np.roll(triangles, -1, axis=1).reshape(-1, 2)
    # Other edges cross no row of pixel centres.
    crosses = np.ceil(start[:, 1]) != np.ceil(end[:, 1])
    start, end = start[crosses], end[crosses]
    # An edge has the same crossings whichever way it goes: they are computed from its upper end.
    down = start[:, 1] < end[:, 1]
    upper, lower = np.where(down[:, None], (start, end), (end, start))
    first = np.clip(np.ceil(upper[:, 1]), 0, camera.height).astype(np.int64)
    past = np.clip(np.ceil(lower[:, 1]), 0, camera.height).astype(np.int64)
    count = past - first
    edge = np.repeat(np.arange(len(count)), count)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    share = (row - upper[edge, 1]) / (lower[edge, 1] - upper[edge, 1])
    crossing = upper[edge, 0] + share * (lower[edge, 0] - upper[edge, 0])
    column = np.clip(np.ceil(crossing), 0, camera.width).astype(np.int64)
    covered = np.zeros((camera.height, camera.width), bool)
    if len(edge):
        # The layers over each pixel of the smallest window with all crossings.
        signs = np.where(down, 1.0, -1.0)[edge]
        top, left = row.min(), column.min()
        height, width = row.max() - top + 1, column.max() - left + 1
        place = (row - top) * width + column - left
        steps = np.bincount(place, signs, minlength=height * width).reshape(height, width)
        # In the last column everything has ended.
        layers = np.cumsum(steps, axis=1)[:, :-1]
        covered[top : top + height, left : left + width - 1] = layers > 0.5
    return covered


def _facing_triangles(mesh: Mesh, camera: Camera) -> np.ndarray:
    """Return the pixels (u, v), (T, 3, 2) float64, of the triangles that face the camera."""
    in_front = mesh.vertices[:, 2] > NEAR_M
    pixels = np.full((len(mesh.vertices), 2), np.nan)
    pixels[in_front] = camera.project(mesh.vertices[in_front].astype(np.float64))
    a, b, c = (pixels[mesh.faces[:, corner]] for corner in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    # Counter-clockwise from outside is clockwise in an image with v down: a negative area.
    return np.stack([a, b, c], axis=1)[area < 0]
