"""What the camera would see of shapes at a placement, each by itself.

Shapes do not hide each other here: a wrong one must not make the others vanish. What is hidden in
truth is not in the masks, and only what is in a shape's own mask is compared.
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


@dataclass(frozen=True)
class SeenShape:
    """The P pixels of a view that a placed shape covers.

    Attributes:
        pixels: (P,) int64 indices into the flattened picture.
        depth: (P,) float64 along the optical axis [m].
        points_aligned: (P, 3) float64 [m].
        normals_aligned: (P, 3) float64 unit normals.
        is_rim: (P,) bool, the outermost pixels, but for those at the border of the picture.
    """

    pixels: np.ndarray
    depth: np.ndarray
    points_aligned: np.ndarray
    normals_aligned: np.ndarray
    is_rim: np.ndarray


def light_mesh(mesh: Mesh, faces: int) -> Mesh:
    """A mesh of about so many triangles, each with corners of its own: it is shaded flat.

    They are counter-clockwise from outside, also where those of the closed mesh were not.
    """
    fewer = decimated(mesh, faces)
    corners = np.asarray(fewer.vertices, np.float32)[fewer.faces]
    a, b, c = np.moveaxis(corners - corners.mean(axis=(0, 1)), 1, 0)
    if np.einsum("fi,fi->", a, np.cross(b, c)) < 0:
        corners = corners[:, ::-1]
    corners = corners.reshape(-1, 3)
    return Mesh(corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3))


def see(
    meshes_cube: Sequence[Mesh], similarities: Sequence[Similarity], view: FitView
) -> list[SeenShape]:
    """Look at shapes, each at its own placement."""
    placed = zip(meshes_cube, similarities, strict=True)
    return [_see(mesh, similarity, view) for mesh, similarity in placed]


def see_all(meshes_cube: Sequence[Mesh], similarity: Similarity, view: FitView) -> list[SeenShape]:
    """Look at shapes that share one placement."""
    return see(meshes_cube, [similarity] * len(meshes_cube), view)


def _see(mesh_cube: Mesh, similarity: Similarity, view: FitView) -> SeenShape:
    points_camera = _facing(similarity.to_aligned(mesh_cube.vertices) @ view.aligned_from_camera)
    left, top, camera = _window(points_camera, view.camera)
    faces = np.arange(len(points_camera)).reshape(-1, 3)
    rendering = render([Mesh(points_camera, faces)], camera)
    covered = rendering.ids >= 0
    rows, columns = np.nonzero(covered)
    depth = rendering.depth[rows, columns].astype(np.float64)
    pixels = (rows + top) * view.camera.width + columns + left
    return SeenShape(
        pixels,
        depth,
        view.rays_aligned.reshape(-1, 3)[pixels] * depth[:, None],
        rendering.normals[rows, columns].astype(np.float64) @ view.aligned_from_camera.T,
        _rim(covered)[rows, columns],
    )


def _facing(corners_camera: np.ndarray) -> np.ndarray:
    """The (3 F, 3) corners of the triangles whose outside the camera sees."""
    a, b, c = np.moveaxis(corners_camera.reshape(-1, 3, 3), 1, 0)
    faces_camera = np.einsum("fi,fi->f", a, np.cross(b - a, c - a)) < 0
    return corners_camera.reshape(-1, 3, 3)[faces_camera].reshape(-1, 3)


def _window(points_camera: np.ndarray, camera: Camera) -> tuple[int, int, Camera]:
    """Left and top pixel of the part of the picture around some points, and its camera."""
    in_front = points_camera[points_camera[:, 2] > NEAR_M]
    size = np.array([camera.width, camera.height])
    if not len(in_front):
        return 0, 0, Camera(1, 1, camera.k)
    pixels = camera.project(in_front)
    # One pixel of room, so that rims are seen as such; none at the border of the picture.
    low = np.clip(np.floor(pixels.min(axis=0)) - 1, 0, size - 1).astype(int)
    high = np.clip(np.ceil(pixels.max(axis=0)) + 2, low + 1, size).astype(int)
    k = camera.k.copy()
    k[:2, 2] -= low
    return int(low[0]), int(low[1]), Camera(*(int(n) for n in high - low), k)


def _rim(covered: np.ndarray) -> np.ndarray:
    """(h, w) bool; what the border of the window cuts off has no rim there."""
    return covered & ~ndimage.binary_erosion(covered, border_value=1)
