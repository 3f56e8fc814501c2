"""Boxes and cylinders on a table, drawn by ray casting: a scene of known truth for any N."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation

WIDTH, HEIGHT, FOCAL = 640, 480, 525.0
COLUMNS, ROWS, SPACING = 5, 4, 0.15
MAX_OBJECTS = COLUMNS * ROWS
CAMERA_WORLD = np.array([0.0, -0.85, 0.75])
TARGET_WORLD = np.array([0.0, 0.0, 0.0])
TABLE_HALF_SIZE = 0.75


@dataclass(frozen=True)
class TableBody:
    """An upright box or cylinder that stands on the table z = 0.

    Attributes:
        center: (3,) world position of its middle [m].
        half: (3,) half sizes [m]; a cylinder's radius is half[0], its half height half[2].
        yaw: rotation about z [rad].
        is_round: whether it is a cylinder.
    """

    center: np.ndarray
    half: np.ndarray
    yaw: float
    is_round: bool

    def distance(self, points_world: np.ndarray) -> np.ndarray:
        """Signed distance (...) of points (..., 3) [m], negative inside."""
        local = (points_world - self.center) @ self._world_from_body
        if self.is_round:
            radial = np.hypot(local[..., 0], local[..., 1]) - self.half[0]
            q = np.stack([radial, np.abs(local[..., 2]) - self.half[2]], axis=-1)
        else:
            q = np.abs(local) - self.half
        return np.linalg.norm(np.maximum(q, 0), axis=-1) + np.minimum(q.max(axis=-1), 0)

    def ray_length(self, origin: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """(M,) multiples of directions (M, 3) from origin (3,) to the body; inf = missed."""
        start = (origin - self.center) @ self._world_from_body
        along = directions @ self._world_from_body
        enter, leave = _slab(start[2], along[:, 2], self.half[2])
        sides = [_disc(start, along, self.half[0])] if self.is_round else []
        if not self.is_round:
            sides = [_slab(start[i], along[:, i], self.half[i]) for i in range(2)]
        for side_enter, side_leave in sides:
            enter, leave = np.maximum(enter, side_enter), np.minimum(leave, side_leave)
        return np.where((enter < leave) & (enter > 0), enter, np.inf)

    @property
    def _world_from_body(self) -> np.ndarray:
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class TableScene:
    """What the camera sees and what is there, body i under mask i."""

    observation: Observation
    bodies: tuple[TableBody, ...]


def table_scene(objects: int, seed: int = 0) -> TableScene:
    """A scene of 1 to 20 objects under one fixed camera; the same arguments give the same scene.

    Objects stand 15 cm apart, nearest to the middle first, and are 4 to 12 cm wide: more of them
    neither move nor shrink those already there, though they may hide them in part.
    """
    if not 1 <= objects <= MAX_OBJECTS:
        raise ValueError(f"objects: {objects}, expected 1 to {MAX_OBJECTS}")
    bodies = _bodies(np.random.default_rng(seed))[:objects]
    world_from_camera = _looking_at(CAMERA_WORLD, TARGET_WORLD)
    k = np.array([[FOCAL, 0, (WIDTH - 1) / 2], [0, FOCAL, (HEIGHT - 1) / 2], [0, 0, 1]])
    camera = Camera(WIDTH, HEIGHT, k)
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    pixels = np.column_stack([u.ravel(), v.ravel()]).astype(float)
    rays_world = camera.unproject(pixels, np.ones(len(pixels))) @ world_from_camera[:3, :3].T
    lengths = [_table(CAMERA_WORLD, rays_world)]
    lengths += [body.ray_length(CAMERA_WORLD, rays_world) for body in bodies]
    nearest = np.argmin(lengths, axis=0).reshape(HEIGHT, WIDTH)
    depth = np.min(lengths, axis=0).reshape(HEIGHT, WIDTH)
    observation = Observation(
        depth=np.where(np.isfinite(depth), depth, 0).astype(np.float32),
        masks=nearest == np.arange(1, objects + 1)[:, None, None],
        camera=camera,
        world_from_camera=world_from_camera,
    )
    return TableScene(observation, tuple(bodies))


def _bodies(rng: np.random.Generator) -> list[TableBody]:
    columns, rows = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS))
    places = np.column_stack([columns.ravel(), rows.ravel()]).astype(float)
    places = (places - places.mean(axis=0)) * SPACING
    places = places[np.argsort(np.linalg.norm(places, axis=1), kind="stable")]
    bodies = []
    for index, (x, y) in enumerate(places):
        half = rng.uniform([0.02, 0.02, 0.02], [0.06, 0.06, 0.08])
        yaw = rng.uniform(-np.pi, np.pi)
        bodies.append(TableBody(np.array([x, y, half[2]]), half, yaw, is_round=index % 2 == 1))
    return bodies


def _looking_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(4, 4) world_from_camera of an upright camera (optical frame: z ahead, y down)."""
    z = (target - eye) / np.linalg.norm(target - eye)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    transform = np.eye(4)
    transform[:3] = np.column_stack([x, np.cross(z, x), z, eye])
    return transform


def _table(origin: np.ndarray, directions: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        length = -origin[2] / directions[:, 2]
    hit = origin[:2] + length[:, None] * directions[:, :2]
    on_table = (length > 0) & (np.abs(hit).max(axis=1) < TABLE_HALF_SIZE)
    return np.where(on_table, length, np.inf)


def _slab(start: float, along: np.ndarray, half: float) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave |coordinate| < half."""
    safe = np.where(np.abs(along) < 1e-12, 1e-12, along)
    first, second = (-half - start) / safe, (half - start) / safe
    return np.minimum(first, second), np.maximum(first, second)


def _disc(start: np.ndarray, along: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave an endless upright cylinder; enter = inf where they miss it."""
    a = np.maximum((along[:, :2] ** 2).sum(axis=1), 1e-12)
    b = along[:, :2] @ start[:2]
    discriminant = b * b - a * (start[:2] @ start[:2] - radius**2)
    root = np.sqrt(np.maximum(discriminant, 0))
    return np.where(discriminant > 0, (-b - root) / a, np.inf), (-b + root) / a
