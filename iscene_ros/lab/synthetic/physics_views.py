"""Noisy depth images of scenes that mujoco settled."""

from __future__ import annotations

import numpy as np
import trimesh

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.rasteriser import render
from iscene_ros.lab.synthetic.physics_scenes import Arrangement, PhysicsScene
from iscene_ros.lab.synthetic.random_cameras import pinhole
from iscene_ros.lab.synthetic.rendering import Rendering
from iscene_ros.lab.synthetic.sensor import GENERIC, SensorOptions, observe

WIDTH, HEIGHT = 320, 240
FIELD_OF_VIEW_DEG = 55.0
# Instances with fewer depth readings are left out: a sliver of ten pixels shows nothing.
MIN_READINGS = 100


def observe_physics(
    rng: np.random.Generator, scene: PhysicsScene, sensor: SensorOptions = GENERIC
) -> Observation | None:
    """Return one noisy frame with instance ids object index + 1; None where nothing is visible."""
    world_from_camera = _camera_pose(rng, scene)
    focal = 0.5 * WIDTH / np.tan(0.5 * np.deg2rad(FIELD_OF_VIEW_DEG))
    camera = pinhole(WIDTH, HEIGHT, focal)
    rendering = render_physics(scene, camera, world_from_camera)
    sensed = observe(rendering, np.ones(len(scene.shapes), bool), rng, sensor)
    readings = (sensed.masks & (sensed.depth > 0)).sum(axis=(1, 2))
    kept = np.flatnonzero(readings >= MIN_READINGS)
    if not len(kept):
        return None
    return Observation(
        depth=sensed.depth,
        masks=sensed.masks[kept],
        camera=camera,
        labels=tuple(scene.shapes[i].family for i in kept),
        instance_ids=tuple(int(i) + 1 for i in kept),
        world_from_camera=world_from_camera,
    )


def render_physics(scene: PhysicsScene, camera: Camera, world_from_camera: np.ndarray) -> Rendering:
    """Return ideal depth and ids (0 = environment, i + 1 = object i)."""
    camera_from_world = np.linalg.inv(world_from_camera)
    meshes = [
        shape.mesh.transformed(pose)
        for shape, pose in zip(scene.shapes, scene.world_from_object, strict=True)
    ]
    meshes += [tiled_box(low, high) for low, high in scene.boxes]
    image = render([mesh.transformed(camera_from_world) for mesh in meshes], camera)
    count = len(scene.shapes)
    ids = np.where((image.ids >= 0) & (image.ids < count), image.ids + 1, 0).astype(np.int16)
    depth = np.where(np.isfinite(image.depth), image.depth, 0).astype(np.float32)
    return Rendering(depth, ids)


def tiled_box(low: np.ndarray, high: np.ndarray) -> Mesh:
    """Return a box in small triangles, so that only those behind the camera are culled."""
    box = trimesh.creation.box(bounds=[low, high])
    vertices, faces = trimesh.remesh.subdivide_to_size(box.vertices, box.faces, 0.1)
    return Mesh(np.asarray(vertices, np.float32), np.asarray(faces, np.int32))


def _camera_pose(rng: np.random.Generator, scene: PhysicsScene) -> np.ndarray:
    """Draw a pose (4, 4) that looks down at the middle of the objects from a fitting distance."""
    middles = scene.world_from_object[:, :3, 3]
    target = np.median(middles, axis=0)
    size = np.median([np.ptp(shape.mesh.vertices, axis=0).max() for shape in scene.shapes])
    radius = float(np.quantile(np.linalg.norm(middles - target, axis=1), 0.75) + 0.5 * size)
    steep = scene.arrangement in (Arrangement.BIN, Arrangement.CONTAINER)
    elevation = np.deg2rad(rng.uniform(40, 80) if steep else rng.uniform(25, 65))
    azimuth = rng.uniform(-np.pi, np.pi)
    if scene.arrangement is Arrangement.CORNER:
        azimuth = rng.uniform(-1.3, 0.5)  # into the corner, not at the back of its walls
    distance = float(np.clip(radius * rng.uniform(2.2, 3.2), 0.35, 1.5))
    back = np.array([np.cos(azimuth), np.sin(azimuth), np.tan(elevation)]) * np.cos(elevation)
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(-back, right), -back], axis=1)
    pose[:3, 3] = target + distance * back
    return pose
