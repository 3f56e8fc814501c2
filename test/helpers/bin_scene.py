"""A bin of four walls on a table, rendered from several sides, with a box in it."""

from __future__ import annotations

import numpy as np
import trimesh
from made_objects import mesh_of
from made_scenes import look_from as looking

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.rasteriser import render

CAMERA = Camera(320, 240, np.array([[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]]))
LENGTH, WIDTH, HEIGHT, WALL = 0.6, 0.4, 0.15, 0.008


def solid(low, high) -> trimesh.Trimesh:
    """An upright box between two corners [m], in triangles small enough for the rasteriser."""
    return trimesh.creation.box(bounds=[low, high]).subdivide_to_size(0.2)


def bin_walls() -> list[trimesh.Trimesh]:
    """The four walls; the inside of the bin is LENGTH x WIDTH, its floor is z = 0."""
    x, y = LENGTH / 2, WIDTH / 2
    return [
        solid((-x - WALL, -y - WALL, -WALL), (-x, y + WALL, HEIGHT)),
        solid((x, -y - WALL, -WALL), (x + WALL, y + WALL, HEIGHT)),
        solid((-x, -y - WALL, -WALL), (x, -y, HEIGHT)),
        solid((-x, y, -WALL), (x, y + WALL, HEIGHT)),
    ]


def bin_scene() -> list[trimesh.Trimesh]:
    """The bin and the table under it."""
    floor = solid((-LENGTH / 2, -WIDTH / 2, -WALL), (LENGTH / 2, WIDTH / 2, 0))
    return [solid((-1, -1, -0.05), (1, 1, -WALL)), floor, *bin_walls()]


SIDES = (looking((0, -0.6, 0.6)), looking((0.6, 0.3, 0.6)), looking((-0.5, 0.4, 0.6)))


def seen(pose: np.ndarray, bodies=(), hidden=(), noise: float = 0.0, seed: int = 0) -> Observation:
    """The bin from a pose.

    Args:
        pose: (4, 4) world_from_camera.
        bodies: objects with a mask each.
        hidden: further things, without a mask.
        noise: standard deviation of the depth at 1 m [m].
        seed: of the noise.
    """
    surroundings = [*bin_scene(), *hidden]
    camera_from_world = np.linalg.inv(pose)
    meshes = [mesh_of(body).transformed(camera_from_world) for body in (*surroundings, *bodies)]
    picture = render(meshes, CAMERA)
    depth = np.where(np.isfinite(picture.depth), picture.depth, 0).astype(np.float32)
    rng = np.random.default_rng(seed)
    depth += (noise * rng.normal(size=depth.shape) * depth**2).astype(np.float32)
    ids = picture.ids - len(surroundings)
    masks = (
        np.stack([ids == i for i in range(len(bodies))])
        if len(bodies)
        else np.zeros((0, *depth.shape), bool)
    )
    return Observation(depth, masks, CAMERA, world_from_camera=pose)


def distances(points: np.ndarray, surfaces: list[trimesh.Trimesh] | Mesh) -> np.ndarray:
    """(N,) distances of points (N, 3) from the nearest surface [m]."""
    import open3d

    if not isinstance(surfaces, Mesh):
        surfaces = mesh_of(trimesh.util.concatenate(surfaces))
    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        open3d.core.Tensor(np.ascontiguousarray(surfaces.vertices, np.float32)),
        open3d.core.Tensor(np.ascontiguousarray(surfaces.faces, np.uint32)),
    )
    return scene.compute_distance(open3d.core.Tensor(np.float32(points))).numpy()
