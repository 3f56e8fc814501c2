"""View of a scene from another side, on a floor with a grid and with the observed points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from iscene_ros.core.camera import Camera
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.rasteriser import BACKGROUND, NEAR_M, Rendering, render, scaled_camera
from iscene_ros.viz.shading import shade, soft_blur

FIELD_OF_VIEW_RAD = np.deg2rad(28)
ELEVATION_RAD = np.deg2rad(32)
# Share of the image that the scene may fill.
FILL = 0.84
GRID_M = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
GRID_LINES = 12
GRID_COLOR, SHADOW = (226, 228, 232), 0.20
# Shadows are soft: they are rendered on every so many pixels.
SHADOW_STEP = 4
POINT_DARKENING = 0.45
# Observed points this far behind a surface still count as lying on it [m].
POINT_TOLERANCE_M = 0.01


@dataclass(frozen=True)
class ViewedMesh:
    """One object to draw.

    Attributes:
        mesh_aligned: in the gravity-aligned frame (z up) [m].
        points_aligned: (P, 3) observed points in that frame [m].
        color: (3,) uint8.
    """

    mesh_aligned: Mesh
    points_aligned: np.ndarray
    color: np.ndarray


@dataclass(frozen=True)
class Viewpoint:
    """A virtual camera in the gravity-aligned frame.

    Attributes:
        camera: intrinsics.
        camera_from_aligned: (4, 4) float64.
    """

    camera: Camera
    camera_from_aligned: np.ndarray

    def to_camera(self, points_aligned: np.ndarray) -> np.ndarray:
        """Transform (P, 3) points_aligned [m] to points_camera [m]."""
        return points_aligned @ self.camera_from_aligned[:3, :3].T + self.camera_from_aligned[:3, 3]


def draw_side_view(
    parts: Sequence[ViewedMesh], yaw_rad: float, width: int, height: int
) -> np.ndarray:
    """Draw the parts from `yaw_rad` to the right of the observing camera and from above.

    Args:
        parts: at least one object.
        yaw_rad: turn around the vertical, 0 = the observing camera's heading.
        width, height: of the image [pixels].

    Returns:
        (height, width, 3) uint8, white background.
    """
    viewpoint = look_at(parts, yaw_rad, width, height)
    meshes = [part.mesh_aligned.transformed(viewpoint.camera_from_aligned) for part in parts]
    rendering = render(meshes, viewpoint.camera, outer_sides=True)
    up_camera = viewpoint.camera_from_aligned[:3, 2]
    colors = np.stack([part.color for part in parts])
    image = shade(rendering, colors, up_camera, _floor(parts, viewpoint))
    for part in parts:
        _draw_points(image, rendering, part, viewpoint)
    return image


def grid_spacing(parts: Sequence[ViewedMesh]) -> float:
    """Return the distance of the floor's lines [m], a round number for at most a dozen lines."""
    extent = float(np.ptp(_vertices(parts)[:, :2], axis=0).max())
    return next((step for step in GRID_M if extent / step <= GRID_LINES), GRID_M[-1])


def look_at(parts: Sequence[ViewedMesh], yaw_rad: float, width: int, height: int) -> Viewpoint:
    """Return a viewpoint from which the parts just fill the image."""
    vertices = _vertices(parts)
    center = (vertices.min(0) + vertices.max(0)) / 2
    radius = max(float(np.linalg.norm(vertices - center, axis=1).max()), 1e-3)
    distance = max(radius / np.sin(FIELD_OF_VIEW_RAD / 2), radius + 2 * NEAR_M)
    # From the right of the scene (x) the camera looks to the left.
    horizontal = np.array([np.sin(yaw_rad), -np.cos(yaw_rad), 0])
    forward = -np.cos(ELEVATION_RAD) * horizontal - np.array([0, 0, np.sin(ELEVATION_RAD)])
    right = np.cross(forward, [0.0, 0, 1])
    right /= np.linalg.norm(right)
    camera_from_aligned = np.eye(4)
    camera_from_aligned[:3, :3] = np.stack([right, np.cross(forward, right), forward])
    camera_from_aligned[:3, 3] = -camera_from_aligned[:3, :3] @ (center - distance * forward)
    viewpoint = Viewpoint(Camera(width, height, np.eye(3)), camera_from_aligned)
    rays = viewpoint.camera.project(viewpoint.to_camera(vertices))
    low, high = rays.min(0), rays.max(0)
    focal = FILL * np.min([width, height] / np.maximum(high - low, 1e-6))
    cx, cy = np.array([width - 1, height - 1]) / 2 - focal * (low + high) / 2
    k = np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1]])
    return Viewpoint(Camera(width, height, k), camera_from_aligned)


def _vertices(parts: Sequence[ViewedMesh]) -> np.ndarray:
    return np.concatenate([part.mesh_aligned.vertices for part in parts]).astype(np.float64)


def _floor(parts: Sequence[ViewedMesh], viewpoint: Viewpoint) -> np.ndarray:
    """Draw a grid at the height of the lowest vertex, and the objects' soft shadows on it."""
    camera = viewpoint.camera
    image = Image.new("RGB", (camera.width, camera.height), "white")
    vertices = _vertices(parts)
    floor = float(vertices[:, 2].min())
    _draw_grid(ImageDraw.Draw(image), vertices, floor, grid_spacing(parts), viewpoint)
    flat = []
    for part in parts:
        below = part.mesh_aligned.vertices.copy()
        below[:, 2] = floor
        mesh = Mesh(below, part.mesh_aligned.faces)
        flat.append(mesh.transformed(viewpoint.camera_from_aligned))
    coarse = scaled_camera(camera, camera.width // SHADOW_STEP, camera.height // SHADOW_STEP)
    covered = Image.fromarray(render(flat, coarse).ids != BACKGROUND).resize(image.size)
    shadow = soft_blur(np.asarray(covered), camera.width / 120)
    lit = (1 - SHADOW * shadow).astype(np.float32)
    return (np.asarray(image) * lit[..., None]).astype(np.uint8)


def _draw_grid(
    draw: ImageDraw.ImageDraw,
    vertices: np.ndarray,
    floor: float,
    step: float,
    viewpoint: Viewpoint,
) -> None:
    low = (np.floor(vertices[:, :2].min(0) / step) - 1) * step
    high = (np.ceil(vertices[:, :2].max(0) / step) + 1) * step
    xs, ys = (np.arange(low[i], high[i] + step / 2, step) for i in range(2))
    segments = [((x, low[1]), (x, high[1])) for x in xs] + [((low[0], y), (high[0], y)) for y in ys]
    for segment in segments:
        ends_camera = viewpoint.to_camera(np.column_stack([segment, [floor, floor]]))
        if ends_camera[:, 2].min() > NEAR_M:
            ends = viewpoint.camera.project(ends_camera)
            draw.line([tuple(end) for end in ends], GRID_COLOR, width=2)


def _draw_points(
    image: np.ndarray, rendering: Rendering, part: ViewedMesh, viewpoint: Viewpoint
) -> None:
    """Draw points as 3 x 3 pixels in a darker colour, where no surface hides them."""
    points_camera = viewpoint.to_camera(part.points_aligned)
    points_camera = points_camera[points_camera[:, 2] > NEAR_M]
    columns, rows = np.rint(viewpoint.camera.project(points_camera)).astype(np.int64).T
    height, width = rendering.ids.shape
    inside = (columns > 0) & (columns < width - 1) & (rows > 0) & (rows < height - 1)
    columns, rows, depth = columns[inside], rows[inside], points_camera[inside, 2]
    shown = depth < rendering.depth[rows, columns] + POINT_TOLERANCE_M
    columns, rows = columns[shown], rows[shown]
    for row_offset in (-1, 0, 1):
        for column_offset in (-1, 0, 1):
            image[rows + row_offset, columns + column_offset] = POINT_DARKENING * part.color
