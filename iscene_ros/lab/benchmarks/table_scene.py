"""A scene of known objects for measuring times: boxes and cylinders on a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.rasteriser import render

WIDTH, HEIGHT, FOCAL = 640, 480, 525.0
COLUMNS, ROWS, SPACING_M = 5, 4, 0.15
MAX_OBJECTS = COLUMNS * ROWS
CAMERA_WORLD = np.array([0.0, -0.85, 0.75])
TARGET_WORLD = np.array([0.0, 0.0, 0.0])
TABLE_SIZE_M = 1.5


@dataclass(frozen=True)
class TableScene:
    """Observation of the scene, and the true meshes [m] in the world frame, mesh i under mask i."""

    observation: Observation
    meshes_world: tuple[Mesh, ...]


def table_scene(objects: int, seed: int = 0, azimuth: float = 0.0) -> TableScene:
    """Render 1 to 20 objects; the same arguments give the same scene.

    The camera stands before the table, or goes around it by an azimuth [degrees].

    Objects stand 15 cm apart, nearest to the middle first, and are 4 to 12 cm wide. More of them
    neither move nor shrink those already there, though they may hide them in part.

    Raises:
        ValueError: Another number of objects.
    """
    if not 1 <= objects <= MAX_OBJECTS:
        raise ValueError(f"objects: {objects}, expected 1 to {MAX_OBJECTS}")
    meshes = _objects(np.random.default_rng(seed))[:objects]
    turn = trimesh.transformations.rotation_matrix(np.deg2rad(azimuth), [0, 0, 1])
    world_from_camera = turn @ looking_at(CAMERA_WORLD, TARGET_WORLD)
    camera_from_world = np.linalg.inv(world_from_camera)
    k = np.array([[FOCAL, 0, (WIDTH - 1) / 2], [0, FOCAL, (HEIGHT - 1) / 2], [0, 0, 1]])
    camera = Camera(WIDTH, HEIGHT, k)
    table = _mesh(trimesh.creation.box([TABLE_SIZE_M, TABLE_SIZE_M, 0.0]))
    seen = render([mesh.transformed(camera_from_world) for mesh in (table, *meshes)], camera)
    observation = Observation(
        depth=np.where(np.isfinite(seen.depth), seen.depth, 0),
        masks=seen.ids == np.arange(1, objects + 1)[:, None, None],
        camera=camera,
        world_from_camera=world_from_camera,
    )
    return TableScene(observation, tuple(meshes))


def _objects(rng: np.random.Generator) -> list[Mesh]:
    """Return all 20 objects, alternately a box and an upright cylinder, on z = 0."""
    columns, rows = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS))
    positions = np.column_stack([columns.ravel(), rows.ravel()]).astype(float)
    positions = (positions - positions.mean(axis=0)) * SPACING_M
    positions = positions[np.argsort(np.linalg.norm(positions, axis=1), kind="stable")]
    meshes = []
    for index, (x, y) in enumerate(positions):
        half = rng.uniform([0.02, 0.02, 0.02], [0.06, 0.06, 0.08])
        yaw = rng.uniform(-np.pi, np.pi)
        if index % 2:
            body = trimesh.creation.cylinder(radius=half[0], height=2 * half[2], sections=64)
        else:
            body = trimesh.creation.box(2 * half)
        body.apply_transform(trimesh.transformations.rotation_matrix(yaw, [0, 0, 1]))
        meshes.append(_mesh(body.apply_translation([x, y, half[2]])))
    return meshes


def _mesh(body: trimesh.Trimesh) -> Mesh:
    return Mesh(body.vertices.astype(np.float32), body.faces.astype(np.int32))


def looking_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return (4, 4) world_from_camera of an upright camera (optical frame: z ahead, y down)."""
    z = (target - eye) / np.linalg.norm(target - eye)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    transform = np.eye(4)
    transform[:3] = np.column_stack([x, np.cross(z, x), z, eye])
    return transform
