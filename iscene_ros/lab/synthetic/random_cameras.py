"""Random pinhole cameras that look at a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from iscene_ros.lab.synthetic.random_scenes import Layout, RandomScene
from iscene_ros.lab.synthetic.shapes import PartKind, Solid


@dataclass(frozen=True, eq=False)
class SimulatedCamera:
    """Pinhole camera in the optical frame: x right, y down, z forward."""

    width: int  # pixels
    height: int  # pixels
    k: np.ndarray  # (3,3) float64 [pixels]
    world_from_camera: np.ndarray  # (4,4) float64 [m]
    pixel_scale: float = 1.0  # pixels of the sensor in one of these; above 1 where drawn coarser
    cut_left: float = 0.0  # columns of these pixels that a crop leaves out on either side


@dataclass(frozen=True)
class CameraOptions:
    """Ranges the camera is drawn from; angles in degrees, lengths in m.

    With `sizes`, one of these (width, height) takes the place of `width` and `height`, and half of
    it that of the crop for single objects. A slot reads one pixel a voxel: an image of more than
    `max_pixels` is rendered coarser by a factor, and its sensor told so.
    """

    width: int = 320
    height: int = 240
    single_width: int = 160  # crop for scenes of one object, same angular resolution
    single_height: int = 120
    field_of_view: tuple[float, float] = (45.0, 75.0)
    distance: tuple[float, float] = (0.35, 2.5)
    fill: tuple[float, float] = (0.45, 1.0)  # share of the image width
    attempts: int = 12
    sizes: tuple[tuple[int, int], ...] = ()  # pixels
    max_pixels: int | None = None


def random_camera(
    rng: np.random.Generator, scene: RandomScene, options: CameraOptions | None = None
) -> SimulatedCamera:
    """A camera that sees most of the objects and is inside of nothing."""
    options = options or CameraOptions()
    points = np.concatenate([item.points_world[::8].numpy() for item in scene.placed()])
    points = points.astype(float)
    best: tuple[float, SimulatedCamera] | None = None
    for _ in range(options.attempts):
        camera = _draw(rng, scene, points, options)
        share = _visible_share(points, camera, scene)
        if share > 0.6:
            return camera
        if best is None or share > best[0]:
            best = (share, camera)
    return best[1]


def _draw(
    rng: np.random.Generator, scene: RandomScene, points: np.ndarray, options: CameraOptions
) -> SimulatedCamera:
    full_width, width, height, pixel_scale = _image_size(rng, scene.layout, options)
    half_angle = 0.5 * np.radians(rng.uniform(*options.field_of_view))
    focal = 0.5 * full_width / np.tan(half_angle)
    k = np.array([[focal, 0, 0.5 * (width - 1)], [0, focal, 0.5 * (height - 1)], [0, 0, 1.0]])
    low, high = points.min(0), points.max(0)
    radius = 0.5 * float(np.linalg.norm(high - low))
    target = 0.5 * (low + high) + rng.uniform(-0.15, 0.15, 3) * (high - low)
    rotation = _orientation(rng, scene.layout)
    fill = rng.uniform(*options.fill)
    distance = radius * 2 * focal / (fill * width)
    for _ in range(2):
        distance = float(
            np.clip(distance, max(options.distance[0], 1.2 * radius), options.distance[1])
        )
        distance *= _filled(points, target, rotation, distance, k, width, height) / fill
    distance = float(np.clip(distance, options.distance[0], options.distance[1]))
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = rotation
    world_from_camera[:3, 3] = target - distance * rotation[:, 2]
    cut_left = 0.5 * (full_width - width)
    return SimulatedCamera(width, height, k, world_from_camera, pixel_scale, cut_left)


def _image_size(
    rng: np.random.Generator, layout: Layout, options: CameraOptions
) -> tuple[float, int, int, float]:
    """Width of the full image, width and height as rendered, sensor pixels in one of them."""
    single = layout is Layout.SINGLE
    if not options.sizes:
        width = options.single_width if single else options.width
        return options.width, width, options.single_height if single else options.height, 1.0
    full = np.array(options.sizes[int(rng.integers(len(options.sizes)))])
    size = full // 2 if single else full
    scale = max(1.0, np.sqrt(size.prod() / (options.max_pixels or np.inf)))
    width, height = (round(side / scale) for side in size)
    return float(full[0] * width / size[0]), width, height, float(size[0] / width)


def _orientation(rng: np.random.Generator, layout: Layout) -> np.ndarray:
    """Rotation (3,3) world_from_camera."""
    azimuth = rng.uniform(-np.pi, np.pi)
    elevation = np.radians(rng.uniform(5, 80) if rng.random() < 0.3 else rng.uniform(20, 60))
    if layout is Layout.BIN:
        elevation = np.radians(rng.uniform(45, 90))
    elif layout is Layout.SHELF:
        azimuth = -np.pi / 2 + rng.uniform(-0.7, 0.7)
        elevation = np.radians(rng.uniform(5, 30))
    elif rng.random() < 0.1:
        elevation = np.radians(rng.uniform(80, 90))
    back = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    rotation = np.stack([right, np.cross(-back, right), -back], 1)
    roll = np.radians(rng.uniform(-15, 15)) if rng.random() < 0.1 else rng.normal(0, 0.01)
    cosine, sine = np.cos(roll), np.sin(roll)
    return rotation @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def _filled(
    points: np.ndarray,
    target: np.ndarray,
    rotation: np.ndarray,
    distance: float,
    k: np.ndarray,
    width: int,
    height: int,
) -> float:
    """Larger share of the image width or height that the points span."""
    points_camera = (points - target) @ rotation + (0, 0, distance)
    scaled = points_camera[:, :2] / np.maximum(points_camera[:, 2:], 0.05)
    span = k[0, 0] * (scaled.max(0) - scaled.min(0))
    return float(max(span[0] / width, span[1] / height))


def _visible_share(points: np.ndarray, camera: SimulatedCamera, scene: RandomScene) -> float:
    """Share of the points inside the image and not behind the environment; 0 if inside it."""
    origin = camera.world_from_camera[:3, 3]
    origin_world = torch.tensor(origin[None].astype(np.float32))
    solids = [scene.environment.distance, *(item.distance for item in scene.placed())]
    if min(float(distance(origin_world)) for distance in solids) < 0.05:
        return 0.0
    points_camera = (points - origin) @ camera.world_from_camera[:3, :3]
    pixels = points_camera @ camera.k.T
    pixels = pixels[:, :2] / np.maximum(pixels[:, 2:], 1e-6)
    size = (camera.width, camera.height)
    inside = ((pixels > 0) & (pixels < size)).all(1) & (points_camera[:, 2] > 0.15)
    return float((inside & ~_hidden(points, origin, scene.environment)).mean())


def _hidden(points: np.ndarray, origin: np.ndarray, environment: Solid) -> np.ndarray:
    """Mask (P,) of the points whose line of sight crosses a box of the environment."""
    hidden = np.zeros(len(points), bool)
    rays = points - origin
    rays = np.where(np.abs(rays) < 1e-9, 1e-9, rays)
    for part in environment.parts:
        assert part.kind is PartKind.BOX
        low, high = part.box()
        one, two = (low - origin) / rays, (high - origin) / rays
        entry = np.minimum(one, two).max(1)
        leave = np.maximum(one, two).min(1)
        hidden |= (entry < leave) & (leave > 0) & (entry < 0.999) & (entry > 0)
    return hidden
