"""A table with things on it, rendered: what a camera sees, and completions with noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import trimesh
from fake_completer import CHECKSUM
from made_objects import mesh_of, object_of
from scipy.spatial.transform import Rotation

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh, Scene, SceneObject, SkippedObject, Timings
from iscene_ros.geometry.rasteriser import render
from iscene_ros.session.frames import TrackedObservation

CAMERA = Camera(160, 120, np.array([[140.0, 0, 79.5], [0, 140, 59.5], [0, 0, 1]]))


def looking_at(x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """(4, 4) world_from_camera of a camera 0.6 m above and before a point of the table."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("x", -135, degrees=True).as_matrix()
    pose[:3, 3] = x, y - 0.6, 0.6
    return pose


def cup(height: float = 0.1) -> Mesh:
    """An upright cylinder with even triangles, its origin in its middle."""
    body = trimesh.creation.cylinder(radius=0.035, height=height, sections=24)
    return mesh_of(body.subdivide_to_size(0.012))


def box(*edges: float) -> Mesh:
    return mesh_of(trimesh.creation.box(edges).subdivide_to_size(0.02))


@dataclass(frozen=True)
class Thing:
    """Something on the table.

    Attributes:
        x, y: where it stands [m].
        label: class name.
        mesh: in its own frame; its lowest vertex stands on the table.
        tracker_id: as in `MatchCandidate`.
        detected: it has a mask.
        depth: the sensor reads it.
    """

    x: float
    y: float
    label: str = "cup"
    mesh: Mesh = cup()
    tracker_id: str = ""
    detected: bool = True
    depth: bool = True

    def world_from_object(self) -> np.ndarray:
        """(4, 4) pose."""
        pose = np.eye(4)
        pose[:3, 3] = self.x, self.y, -self.mesh.vertices[:, 2].min()
        return pose


@dataclass(frozen=True)
class Shot:
    """A frame: what is seen, and what was made of it; ids in the order of the detected things."""

    scene: Scene
    tracked: TrackedObservation


TABLE = Mesh(
    np.array([[-9, -0.4, 0], [9, -0.4, 0], [9, 9, 0], [-9, 9, 0]], np.float32),
    np.array([[0, 1, 2], [0, 2, 3]], np.int32),
)


def shoot(
    things: Sequence[Thing], pose: np.ndarray | None = None, noise: float = 0.0, seed: int = 0
) -> Shot:
    """See a table.

    Args:
        things: on it.
        pose: (4, 4) world_from_camera.
        noise: standard deviation of positions and of surfaces [m].
        seed: of the noise.
    """
    pose = looking_at() if pose is None else pose
    world_meshes = [t.mesh.transformed(t.world_from_object()) for t in things]
    seen = render([m.transformed(np.linalg.inv(pose)) for m in (TABLE, *world_meshes)], CAMERA)
    depth = np.where(np.isfinite(seen.depth), seen.depth, 0).astype(np.float32)
    for number, thing in enumerate(things, 1):
        depth[(seen.ids == number) & (not thing.depth)] = 0
    masks = [(seen.ids == n, t) for n, t in enumerate(things, 1) if t.detected]
    masks = [(mask, t) for mask, t in masks if mask.any()]
    observation = Observation(
        depth=depth,
        masks=np.array([m for m, _ in masks]).reshape(-1, *depth.shape),
        camera=CAMERA,
        labels=tuple(t.label for _, t in masks),
        world_from_camera=pose,
    )
    rng = np.random.default_rng(seed)
    objects = tuple(
        completed(number, thing, noise, rng)
        for number, (_, thing) in enumerate(masks, 1)
        if thing.depth
    )
    skipped = tuple(
        SkippedObject(number, thing.label, "no depth inside its mask")
        for number, (_, thing) in enumerate(masks, 1)
        if not thing.depth
    )
    scene = Scene(
        *("world", objects, skipped, pose, observation.gravity_camera, "fake", CHECKSUM, 0, 1),
        timings=Timings(),
    )
    return Shot(scene, TrackedObservation(observation, tuple(t.tracker_id for _, t in masks)))


def completed(
    number: int, thing: Thing, noise: float = 0.0, rng: np.random.Generator | None = None
) -> SceneObject:
    """The completion of a thing, moved and roughened by noise [m]."""
    rng = rng or np.random.default_rng(0)
    pose = thing.world_from_object()
    pose[:3, 3] += rng.normal(0, 1, 3) * noise
    vertices = thing.mesh.vertices + rng.normal(0, 1, thing.mesh.vertices.shape) * noise
    mesh = Mesh(vertices.astype(np.float32), thing.mesh.faces)
    size = np.ptp(vertices, axis=0).astype(np.float64)
    return object_of(number, thing.label, mesh, pose, size)


def moved(thing: Thing, dx: float = 0.0, dy: float = 0.0) -> Thing:
    """The thing elsewhere."""
    return replace(thing, x=thing.x + dx, y=thing.y + dy)
