"""Time and memory of the fused surroundings: a camera of 640 x 480 pixels around a bin."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import trimesh

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.environment_mesh import environment_mesh
from iscene_ros.geometry.environment_volume import EnvironmentVolume
from iscene_ros.geometry.rasteriser import render
from iscene_ros.geometry.surroundings_depth import surroundings_depth
from iscene_ros.lab.benchmarks.table_scene import looking_at
from iscene_ros.session.status import resident_megabytes

CAMERA = Camera.from_fov(640, 480, np.deg2rad(60))
# Places of the camera on a circle around the bin, its radius and its height [m].
PLACES, RADIUS_M, HEIGHT_M = 10, 0.8, 0.8
# Standard deviation of a reading at 1 m; it grows with the square of the distance [m].
NOISE_M = 0.003
# Frames after which memory is compared: all places have been seen.
WARM_UP = 2 * PLACES
# Corners of a table, of the four walls of a bin on it, and of an object [m].
BOXES = (
    [(-1, -1, -0.05), (1, 1, 0)],
    [(-0.31, -0.21, 0), (-0.3, 0.21, 0.15)],
    [(0.3, -0.21, 0), (0.31, 0.21, 0.15)],
    [(-0.3, -0.21, 0), (0.3, -0.2, 0.15)],
    [(-0.3, 0.2, 0), (0.3, 0.21, 0.15)],
    [(-0.05, -0.05, 0), (0.05, 0.05, 0.1)],
)


@dataclass(frozen=True)
class FusionCost:
    """What it took to fuse F frames.

    Attributes:
        seconds: (F,) float64 of cleaning the depth and fusing it [s of CPU].
        mesh_seconds: (M,) of making the mesh, after each round of the camera [s of CPU].
        blocks: in the end.
        triangles: of the mesh in the end.
        growth_mb: of the memory of the process from the end of the warm-up on [1e6 bytes].
    """

    seconds: np.ndarray
    mesh_seconds: np.ndarray
    blocks: int
    triangles: int
    growth_mb: float


def measure_fusion(frames: int) -> FusionCost:
    """Fuse noisy views of a bin on a table from places around it, again and again."""
    views, rng = [_view(2 * np.pi * n / PLACES) for n in range(PLACES)], np.random.default_rng(0)
    volume, seconds, mesh_seconds, memory = EnvironmentVolume(), [], [], resident_megabytes()
    mesh = volume.mesh()
    for number in range(frames):
        view = views[number % PLACES]
        noise = rng.normal(0, NOISE_M, view.depth.shape) * view.depth**2
        noisy = view.with_depth(view.depth + noise.astype(np.float32))
        started = time.process_time()
        depth = surroundings_depth(noisy, noisy.masks.any(axis=0))
        volume.integrate(depth, noisy.camera, noisy.world_from_camera)
        seconds.append(time.process_time() - started)
        if (number + 1) % PLACES == 0:
            started = time.process_time()
            mesh = environment_mesh(volume.mesh(), [])
            mesh_seconds.append(time.process_time() - started)
        if number + 1 == min(WARM_UP, frames):
            memory = resident_megabytes()
    growth = resident_megabytes() - memory
    spent = np.array(seconds), np.array(mesh_seconds)
    return FusionCost(*spent, volume.block_count, len(mesh.faces), growth)


def fusion_table(cost: FusionCost) -> list[list[str]]:
    """Return headings and one row."""
    headings = ["frames", "fusing p50 [CPU ms]", "p95 [CPU ms]", "mesh p50 [CPU ms]"]
    headings += ["blocks", "triangles", "memory growth [MB]"]
    percentiles = [f"{1e3 * np.percentile(cost.seconds, p):.1f}" for p in (50, 95)]
    mesh = f"{1e3 * np.median(cost.mesh_seconds):.0f}" if len(cost.mesh_seconds) else "none"
    row = [str(len(cost.seconds)), *percentiles, mesh, str(cost.blocks), str(cost.triangles)]
    return [headings, [*row, f"{cost.growth_mb:.1f}"]]


def _view(angle: float) -> Observation:
    """Return the bin with an object in it, seen from an angle around it [rad]."""
    eye = np.array([RADIUS_M * np.cos(angle), RADIUS_M * np.sin(angle), HEIGHT_M])
    pose = looking_at(eye, np.zeros(3))
    meshes = []
    for bounds in BOXES:
        body = trimesh.creation.box(bounds=bounds).subdivide_to_size(0.2)
        mesh = Mesh(body.vertices.astype(np.float32), body.faces.astype(np.int32))
        meshes.append(mesh.transformed(np.linalg.inv(pose)))
    seen = render(meshes, CAMERA)
    depth = np.where(np.isfinite(seen.depth), seen.depth, 0).astype(np.float32)
    return Observation(depth, seen.ids[None] == len(BOXES) - 1, CAMERA, world_from_camera=pose)
