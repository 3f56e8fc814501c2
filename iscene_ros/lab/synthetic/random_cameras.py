"""Random pinhole cameras that look at a random scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from iscene_ros.core.camera import Camera
from iscene_ros.lab.synthetic.primitive_distances import ray_box_crossing
from iscene_ros.lab.synthetic.random_scenes import Layout, RandomScene
from iscene_ros.lab.synthetic.shapes import Solid

ATTEMPTS = 12
ENOUGH_VISIBLE = 0.6
# Horizontal [degrees].
FIELD_OF_VIEW = (45.0, 75.0)


@dataclass(frozen=True, eq=False)
class SimulatedCamera:
    """A posed pinhole camera, and how its image was cut and scaled from that of the sensor.

    Attributes:
        intrinsics: Intrinsics of the rendered image.
        world_from_camera: (4, 4) float64 pose of the optical frame [m].
        pixel_scale: Sensor pixels in one rendered pixel; above 1 where it is rendered coarser.
        cropped_columns: Rendered columns that a crop leaves out on either side.
    """

    intrinsics: Camera
    world_from_camera: np.ndarray
    pixel_scale: float = 1.0
    cropped_columns: float = 0.0


@dataclass(frozen=True)
class CameraOptions:
    """Ranges that cameras are drawn from.

    Attributes:
        sizes: (width, height) [pixels] of sensors. Scenes of a single object are seen in a crop of
            half the width and height, of the same angular resolution.
        max_pixels: Larger images are rendered coarser by a factor that the sensor model uses.
        distance: Distance to the middle of the objects [m].
        fill: Share of the image width or height that the objects span.
    """

    sizes: tuple[tuple[int, int], ...] = ((320, 240),)
    max_pixels: int | None = None
    distance: tuple[float, float] = (0.35, 2.5)
    fill: tuple[float, float] = (0.45, 1.0)


ONE_SIZE = CameraOptions()


def random_camera(
    rng: np.random.Generator, scene: RandomScene, options: CameraOptions = ONE_SIZE
) -> SimulatedCamera:
    """Draw a camera that sees most of the objects and is inside nothing."""
    points = np.concatenate([item.points_world[::8].numpy() for item in scene.placed()])
    points = points.astype(float)
    best: tuple[float, SimulatedCamera] | None = None
    for _ in range(ATTEMPTS):
        camera = _draw(rng, scene, points, options)
        share = _visible_share(points, camera, scene)
        if share > ENOUGH_VISIBLE:
            return camera
        if best is None or share > best[0]:
            best = (share, camera)
    return best[1]


def pinhole(width: int, height: int, focal: float) -> Camera:
    """Return a rectified camera with its principal point in the middle of the image."""
    k = np.array([[focal, 0, 0.5 * (width - 1)], [0, focal, 0.5 * (height - 1)], [0, 0, 1.0]])
    return Camera(width, height, k)


def pose_error(rng: np.random.Generator, sigma_m: float, sigma_rad: float) -> np.ndarray:
    """Draw the error (4, 4) of a pose by the standard deviations along and about each axis."""
    error = np.eye(4)
    error[:3, :3] = Rotation.from_rotvec(sigma_rad * rng.normal(size=3)).as_matrix()
    error[:3, 3] = sigma_m * rng.normal(size=3)
    return error


def looking_down(azimuth: float, elevation: float) -> np.ndarray:
    """Return the rotation (3, 3) world_from_camera of an upright camera at these angles [rad]."""
    flat = np.cos(elevation)
    back = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    return np.stack([right, np.cross(-back, right), -back], 1)


def _draw(
    rng: np.random.Generator, scene: RandomScene, points: np.ndarray, options: CameraOptions
) -> SimulatedCamera:
    full_width, width, height, pixel_scale = _image_size(rng, scene.layout, options)
    half_angle = 0.5 * np.radians(rng.uniform(*FIELD_OF_VIEW))
    focal = 0.5 * full_width / np.tan(half_angle)
    intrinsics = pinhole(width, height, focal)
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
        points_camera = (points - target) @ rotation + (0, 0, distance)
        distance *= _filled_share(points_camera, intrinsics) / fill
    distance = float(np.clip(distance, *options.distance))
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = rotation
    world_from_camera[:3, 3] = target - distance * rotation[:, 2]
    cropped_columns = 0.5 * (full_width - width)
    return SimulatedCamera(intrinsics, world_from_camera, pixel_scale, cropped_columns)


def _image_size(
    rng: np.random.Generator, layout: Layout, options: CameraOptions
) -> tuple[float, int, int, float]:
    """Return the width of the full image, the rendered width and height, and the pixel scale."""
    full = np.array(options.sizes[int(rng.integers(len(options.sizes)))])
    size = full // 2 if layout is Layout.SINGLE else full
    scale = max(1.0, np.sqrt(size.prod() / (options.max_pixels or np.inf)))
    width, height = (round(side / scale) for side in size)
    return float(full[0] * width / size[0]), width, height, float(size[0] / width)


def _orientation(rng: np.random.Generator, layout: Layout) -> np.ndarray:
    """Draw the rotation (3, 3) world_from_camera."""
    azimuth = rng.uniform(-np.pi, np.pi)
    elevation = np.radians(rng.uniform(5, 80) if rng.random() < 0.3 else rng.uniform(20, 60))
    if layout is Layout.BIN:
        elevation = np.radians(rng.uniform(45, 90))
    elif layout is Layout.SHELF:
        azimuth = -np.pi / 2 + rng.uniform(-0.7, 0.7)
        elevation = np.radians(rng.uniform(5, 30))
    elif rng.random() < 0.1:
        elevation = np.radians(rng.uniform(80, 90))
    rotation = looking_down(azimuth, elevation)
    roll = np.radians(rng.uniform(-15, 15)) if rng.random() < 0.1 else rng.normal(0, 0.01)
    cosine, sine = np.cos(roll), np.sin(roll)
    return rotation @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def _filled_share(points_camera: np.ndarray, camera: Camera) -> float:
    """Return the larger share of the image width or height that the points span."""
    scaled = points_camera[:, :2] / np.maximum(points_camera[:, 2:], 0.05)
    span = camera.k[0, 0] * (scaled.max(0) - scaled.min(0))
    return float(max(span[0] / camera.width, span[1] / camera.height))


def _visible_share(points: np.ndarray, camera: SimulatedCamera, scene: RandomScene) -> float:
    """Return the share of the points in the image and not occluded by the environment.

    It is 0 for a camera inside, or within centimetres of, something.
    """
    origin = camera.world_from_camera[:3, 3]
    origin_world = torch.tensor(origin[None].astype(np.float32))
    solids = [scene.environment.distance, *(item.distance for item in scene.placed())]
    if min(float(distance(origin_world)) for distance in solids) < 0.05:
        return 0.0
    points_camera = (points - origin) @ camera.world_from_camera[:3, :3]
    pixels = points_camera @ camera.intrinsics.k.T
    pixels = pixels[:, :2] / np.maximum(pixels[:, 2:], 1e-6)
    size = (camera.intrinsics.width, camera.intrinsics.height)
    inside = ((pixels > 0) & (pixels < size)).all(1) & (points_camera[:, 2] > 0.15)
    return float((inside & ~_occluded(points, origin, scene.environment)).mean())


def _occluded(points: np.ndarray, origin: np.ndarray, environment: Solid) -> np.ndarray:
    """Return a mask (P,) of the points behind a box of the environment."""
    occluded = np.zeros(len(points), bool)
    rays = torch.from_numpy(points - origin)
    for part in environment.parts:
        low, high = (torch.from_numpy(corner) for corner in part.box())
        entry, leave = ray_box_crossing(torch.from_numpy(origin), rays, low, high)
        crossed = (entry < leave) & (leave > 0) & (entry < 0.999) & (entry > 0)
        occluded |= crossed.numpy()
    return occluded
