"""Renderings of registered shapes, each by itself.

Shapes do not occlude each other here, so that a wrong one does not hide the others. What is
occluded in truth is not in the masks, and only the pixels of a shape's own mask are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from iscene_ros.core.camera import Camera
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.decimation import decimated
from iscene_ros.geometry.rasteriser import NEAR_M, render
from iscene_ros.models.iscene.registration.fit_view import FitView
from iscene_ros.models.iscene.registration.result import Similarity

# Triangles of a shape while it is fitted, about.
FACES = 500


@dataclass(frozen=True)
class RenderedShape:
    """The P pixels of a view that a registered shape covers.

    Attributes:
        pixels: (P,) int64 indices into the flattened image.
        depth: (P,) float64 along the optical axis [m].
        points_aligned: (P, 3) float64 [m].
        normals_aligned: (P, 3) float64 unit normals.
        is_rim: (P,) bool, the outermost pixels, except at the border of the image.
    """

    pixels: np.ndarray
    depth: np.ndarray
    points_aligned: np.ndarray
    normals_aligned: np.ndarray
    is_rim: np.ndarray


def light_mesh(mesh: Mesh) -> Mesh:
    """Decimate a mesh to about `FACES` triangles, each with vertices of its own, for flat shading.

    They are counter-clockwise from outside, even where those of the closed mesh were not.
    """
    fewer = decimated(mesh, FACES)
    corners = np.asarray(fewer.vertices, np.float32)[fewer.faces]
    a, b, c = np.moveaxis(corners - corners.mean(axis=(0, 1)), 1, 0)
    if np.einsum("fi,fi->", a, np.cross(b, c)) < 0:
        corners = corners[:, ::-1]
    corners = corners.reshape(-1, 3)
    return Mesh(corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3))


def render_shapes(
    meshes_cube: Sequence[Mesh], similarities: Sequence[Similarity], view: FitView
) -> list[RenderedShape]:
    """Render shapes, each with its own similarity."""
    pairs = zip(meshes_cube, similarities, strict=True)
    return [_render_shape(mesh, similarity, view) for mesh, similarity in pairs]


def render_scene(
    meshes_cube: Sequence[Mesh], similarity: Similarity, view: FitView
) -> list[RenderedShape]:
    """Render shapes that share one similarity."""
    return render_shapes(meshes_cube, [similarity] * len(meshes_cube), view)


def _render_shape(mesh_cube: Mesh, similarity: Similarity, view: FitView) -> RenderedShape:
    corners = similarity.to_aligned(mesh_cube.vertices) @ view.aligned_from_camera
    corners = corners.reshape(-1, 3, 3)
    a, b, c = np.moveaxis(corners, 1, 0)
    faces_camera = np.einsum("fi,fi->f", a, np.cross(b - a, c - a)) < 0
    points_camera = corners[faces_camera].reshape(-1, 3)
    left, top, camera = _window(points_camera, view.camera)
    faces = np.arange(len(points_camera)).reshape(-1, 3)
    rendering = render([Mesh(points_camera, faces)], camera)
    covered = rendering.ids >= 0
    rows, columns = np.nonzero(covered)
    depth = rendering.depth[rows, columns].astype(np.float64)
    pixels = (rows + top) * view.camera.width + columns + left
    # The border of the window is no rim.
    rim = covered & ~ndimage.binary_erosion(covered, border_value=1)
    return RenderedShape(
        pixels,
        depth,
        view.rays_aligned.reshape(-1, 3)[pixels] * depth[:, None],
        rendering.normals[rows, columns].astype(np.float64) @ view.aligned_from_camera.T,
        rim[rows, columns],
    )


def _window(points_camera: np.ndarray, camera: Camera) -> tuple[int, int, Camera]:
    """Return left and top pixel of the part of the image around some points, and its camera."""
    in_front = points_camera[points_camera[:, 2] > NEAR_M]
    size = np.array([camera.width, camera.height])
    if not len(in_front):
        return 0, 0, Camera(1, 1, camera.k)
    pixels = camera.project(in_front)
    # One pixel of margin, so that rims are found; none at the border of the image.
    low = np.clip(np.floor(pixels.min(axis=0)) - 1, 0, size - 1).astype(int)
    high = np.clip(np.ceil(pixels.max(axis=0)) + 2, low + 1, size).astype(int)
    k = camera.k.copy()
    k[:2, 2] -= low
    return int(low[0]), int(low[1]), Camera(*(int(n) for n in high - low), k)
