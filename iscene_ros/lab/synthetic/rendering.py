"""Ideal depth images and object ids of random scenes by sphere tracing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iscene_ros.core.camera import Camera
from iscene_ros.lab.synthetic.primitive_distances import ray_box_crossing
from iscene_ros.lab.synthetic.random_cameras import SimulatedCamera
from iscene_ros.lab.synthetic.random_scenes import RandomScene
from iscene_ros.lab.synthetic.shapes import Solid

_HIT = 3e-4  # m, distance at which a ray counts as on the surface; one more step follows
_MAX_STEPS = 64
_MARGIN = 1e-3  # m around the measured bounds


@dataclass(frozen=True, eq=False)
class Rendering:
    """Depth and object ids as an ideal sensor measures them."""

    depth: np.ndarray  # (H,W) float32 [m] along the optical axis, 0 = nothing
    ids: np.ndarray  # (H,W) int16, 0 = environment or nothing, i + 1 = object i


@dataclass(eq=False)
class _Canvas:
    """Depth and ids of all pixels, flat; depth is infinite where nothing was hit yet."""

    depth: Tensor  # (H*W,) float32 [m]
    ids: Tensor  # (H*W,) int16
    rays: Tensor  # (H*W,3) float32 in the camera frame, z = 1, so that length is depth


def render(scene: RandomScene, camera: SimulatedCamera) -> Rendering:
    """Compute the ideal depth and object ids of a scene."""
    canvas = _canvas(camera.intrinsics)
    camera_from_world = np.linalg.inv(camera.world_from_camera)
    for part in scene.environment.parts:
        camera_from_part = camera_from_world @ part.object_from_part
        half = torch.tensor(part.parameters[:3])
        origin, directions = _in_frame(camera_from_part, canvas.rays)
        entry, leave = ray_box_crossing(origin, directions, -half, half)
        nearer = (entry < leave) & (entry > 0) & (entry < canvas.depth)
        canvas.depth = torch.where(nearer, entry, canvas.depth)
    poses = camera_from_world @ scene.world_from_object
    # Front to back: rays behind what is found already end early.
    for index in np.argsort(poses[:, 2, 3], kind="stable"):
        _trace_solid(canvas, scene.solids[index], poses[index], int(index) + 1, camera.intrinsics)
    shape = (camera.intrinsics.height, camera.intrinsics.width)
    depth = torch.where(torch.isinf(canvas.depth), torch.zeros(()), canvas.depth)
    return Rendering(depth.reshape(shape).numpy(), canvas.ids.reshape(shape).numpy())


def _canvas(camera: Camera) -> _Canvas:
    rows, columns = (torch.arange(side).double() for side in (camera.height, camera.width))
    v, u = torch.meshgrid(rows, columns, indexing="ij")
    x, y = (u - camera.k[0, 2]) / camera.k[0, 0], (v - camera.k[1, 2]) / camera.k[1, 1]
    rays = torch.stack([x, y, torch.ones_like(x)], -1).reshape(-1, 3).float()
    count = camera.height * camera.width
    return _Canvas(torch.full((count,), np.inf), torch.zeros(count, dtype=torch.int16), rays)


def _in_frame(camera_from_object: np.ndarray, rays: Tensor) -> tuple[Tensor, Tensor]:
    """Transform camera rays to an object's frame: origin (3,) and directions (R, 3)."""
    rotation = torch.from_numpy(camera_from_object[:3, :3].astype(np.float32).copy())
    origin = -camera_from_object[:3, :3].T @ camera_from_object[:3, 3]
    return torch.from_numpy(origin.astype(np.float32)), rays @ rotation


def _pixels_around(solid: Solid, camera_from_object: np.ndarray, camera: Camera) -> Tensor | None:
    """Return flat indices of the pixels around the projected bounds; None if out of view."""
    corners = solid.corners(_MARGIN) @ camera_from_object[:3, :3].T + camera_from_object[:3, 3]
    if corners[:, 2].max() <= 0:
        return None
    size = np.array([camera.width, camera.height])
    if corners[:, 2].min() < 0.02:
        first, last = np.zeros(2, int), size - 1
    else:
        pixels = corners @ camera.k.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        first = np.maximum(np.floor(pixels.min(0)).astype(int), 0)
        last = np.minimum(np.ceil(pixels.max(0)).astype(int), size - 1)
    if (first > last).any():
        return None
    rows = torch.arange(int(first[1]), int(last[1]) + 1)
    columns = torch.arange(int(first[0]), int(last[0]) + 1)
    return (rows[:, None] * camera.width + columns).reshape(-1)


def _trace_solid(
    canvas: _Canvas, solid: Solid, camera_from_object: np.ndarray, identifier: int, camera: Camera
) -> None:
    pixels = _pixels_around(solid, camera_from_object, camera)
    if pixels is None:
        return
    origin, directions = _in_frame(camera_from_object, canvas.rays[pixels])
    low, high = solid.bounds()
    depth, limit = ray_box_crossing(origin, directions, low - _MARGIN, high + _MARGIN)
    depth, limit = depth.clamp_min(0.0), torch.minimum(limit, canvas.depth[pixels])
    chosen = depth < limit
    pixels, depth, limit = pixels[chosen], depth[chosen], limit[chosen]
    hit, depth = _march(solid, origin, directions[chosen], depth, limit)
    canvas.depth[pixels[hit]] = depth[hit]
    canvas.ids[pixels[hit]] = identifier


def _march(
    solid: Solid, origin: Tensor, directions: Tensor, depth: Tensor, limit: Tensor
) -> tuple[Tensor, Tensor]:
    """Return a mask (R,) of the rays that hit before their limit, and the depths (R,) reached."""
    length = directions.norm(dim=1)
    hit = torch.zeros(len(depth), dtype=torch.bool)
    alive = torch.arange(len(depth))
    near_depth, near_limit, near_length, near_rays = depth, limit, length, directions
    depth = depth.clone()
    for _ in range(_MAX_STEPS):
        if len(alive) == 0:
            break
        distance = solid.distance(origin + near_depth[:, None] * near_rays)
        near_depth = near_depth + distance / near_length
        arrived = distance.abs() < _HIT
        depth[alive[arrived]] = near_depth[arrived]
        hit[alive[arrived]] = True
        kept = ~arrived & (near_depth < near_limit)
        alive, near_depth, near_limit = alive[kept], near_depth[kept], near_limit[kept]
        near_length, near_rays = near_length[kept], near_rays[kept]
    return hit & (depth < limit), depth
