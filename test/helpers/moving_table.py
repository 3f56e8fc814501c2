"""A table whose things move between frames, seen by a moving camera and completed by a session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import trimesh
from made_objects import mesh_of
from scipy.spatial.transform import Rotation
from session_driver import Driver, stamp
from session_inputs import CAMERA_FRAME, transform

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene_update import SceneUpdate, TrackedObject
from iscene_ros.geometry.rasteriser import render
from iscene_ros.geometry.surface_distance import Surface, sample_surface
from iscene_ros.lab.synthetic.dropping import SETTINGS
from iscene_ros.lab.synthetic.simulation import FixedBox, RigidBody, Simulation
from iscene_ros.session.inputs import Detection, Detections

CAMERA = Camera(240, 180, np.array([[210.0, 0, 119.5], [0, 210, 89.5], [0, 0, 1]]))
GROUND = trimesh.creation.box((1.6, 1.6, 0.02)).apply_translation((0, 0, -0.01))
NOISE_M = 0.0015


@dataclass(frozen=True)
class Body:
    """Something on the table.

    Attributes:
        mesh: in its own frame [m]; its lowest point stands on the table.
        x, y, z: where it stands [m].
        yaw: [degrees].
        turn: of its mesh before it is put down, a quaternion x, y, z, w.
        label: class name.
        tracker_id: "" where the tracker gives none.
        detected: it has a mask.
    """

    mesh: trimesh.Trimesh
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    yaw: float = 0.0
    turn: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    label: str = "thing"
    tracker_id: str = ""
    detected: bool = True

    def at(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Body:
        """The body elsewhere."""
        return replace(self, x=x, y=y, z=z, yaw=yaw)

    def placed_at(self, world_from_mesh: np.ndarray) -> Body:
        """The body at a pose (4, 4) of its mesh."""
        turn = Rotation.from_matrix(world_from_mesh[:3, :3])
        lowest = float((turn.apply(self.mesh.vertices)[:, 2] + world_from_mesh[2, 3]).min())
        x, y = world_from_mesh[:2, 3]
        return replace(self, x=x, y=y, z=lowest, yaw=0.0, turn=tuple(turn.as_quat()))

    @property
    def world_from_mesh(self) -> np.ndarray:
        """Its pose (4, 4)."""
        pose = np.eye(4)
        turn = Rotation.from_euler("z", self.yaw, degrees=True) * Rotation.from_quat(self.turn)
        pose[:3, :3] = turn.as_matrix()
        pose[:3, 3] = self.x, self.y, self.z - turn.apply(self.mesh.vertices)[:, 2].min()
        return pose

    @property
    def placed(self) -> trimesh.Trimesh:
        """Its mesh in the world."""
        return self.mesh.copy().apply_transform(self.world_from_mesh)


def subdivided(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """The mesh in small triangles."""
    return mesh.subdivide_to_size(0.02)


def carton() -> trimesh.Trimesh:
    return trimesh.creation.box((0.12, 0.06, 0.1))


def can(height: float = 0.11) -> trimesh.Trimesh:
    return trimesh.creation.cylinder(radius=0.033, height=height, sections=32)


def bracket() -> trimesh.Trimesh:
    """An L-shaped body: a view of its back says nothing of its front."""
    foot = trimesh.creation.box((0.1, 0.1, 0.03)).apply_translation((0, 0, 0.015))
    wall = trimesh.creation.box((0.1, 0.03, 0.09)).apply_translation((0, 0.035, 0.075))
    return trimesh.util.concatenate([foot, wall])


def simulated(bodies: Sequence[Body], seconds: float, step: float) -> Iterator[list[Body]]:
    """Bodies (convex ones) let go where they are, and where mujoco has them after each step [s]."""
    rigid = [RigidBody([b.mesh.vertices], b.world_from_mesh) for b in bodies]
    below = np.eye(4)
    below[2, 3] = -0.01
    ground = FixedBox(np.array([0.8, 0.8, 0.01]), below)
    world = Simulation(rigid, [ground], SETTINGS)
    for _ in range(round(seconds / step)):
        world.advance(round(step / SETTINGS.step_s))
        yield [b.placed_at(pose) for b, pose in zip(bodies, world.poses, strict=True)]


def looking(azimuth: float = -90.0, elevation: float = 40.0, distance: float = 0.65) -> np.ndarray:
    """(4, 4) world_from_camera that looks at the middle of the table; angles in degrees."""
    a, e = np.deg2rad([azimuth, elevation])
    back = np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(-back, right), -back], axis=1)
    pose[:3, 3] = np.array([0, 0, 0.04]) + distance * back
    return pose


def seen(
    bodies: Sequence[Body],
    pose: np.ndarray,
    seed: int = 0,
    noise: float = NOISE_M,
    camera: Camera = CAMERA,
) -> tuple[Observation, list[Body]]:
    """What a camera sees with sensor noise [m], and the bodies that have a mask, in its order."""
    meshes = [GROUND.subdivide_to_size(0.1), *(b.placed for b in bodies)]
    camera_from_world = np.linalg.inv(pose)
    image = render([mesh_of(m).transformed(camera_from_world) for m in meshes], camera)
    rng = np.random.default_rng(seed)
    depth = np.where(np.isfinite(image.depth), image.depth, 0.0)
    depth = depth + (depth > 0) * rng.normal(0, noise, depth.shape) * (0.5 + depth**2)
    masks = [(image.ids == n, b) for n, b in enumerate(bodies, 1) if b.detected]
    masks = [(m, b) for m, b in masks if np.count_nonzero(m) >= 30]
    observation = Observation(
        depth=depth.astype(np.float32),
        masks=np.array([m for m, _ in masks]).reshape(-1, *depth.shape),
        camera=camera,
        labels=tuple(b.label for _, b in masks),
        world_from_camera=pose,
    )
    return observation, [b for _, b in masks]


class TableSession:
    """A session that gets one frame of the table after the other, a second apart."""

    def __init__(self, completer=None, **parameters) -> None:
        parameters = {"detections": "vision_msgs", "relations": False, **parameters}
        self.driver = Driver(completer, posed=False, max_age=0, **parameters)
        self.frames = 0

    def see(
        self,
        *bodies: Body,
        pose: np.ndarray | None = None,
        pose_error: np.ndarray | None = None,
        after: float = 1.0,
    ) -> SceneUpdate | None:
        """Complete a frame some seconds after the one before; the error spoils what TF says."""
        pose = looking() if pose is None else pose
        observation, shown = seen(bodies, pose, seed=self.frames)
        self.frames += 1
        self.time = getattr(self, "time", 0.0) + 1000 * after
        told = pose if pose_error is None else pose_error @ pose
        self.driver.add(
            transform("map", CAMERA_FRAME, stamp(self.time), matrix=told), now=self.time
        )
        items = tuple(
            Detection(b.label, 1.0, b.tracker_id, _box(m))
            for m, b in zip(observation.masks, shown, strict=True)
        )
        self.driver.add(Detections(stamp(self.time), CAMERA_FRAME, items), now=self.time)
        return self.driver.step(self.time, observation)

    @property
    def names(self) -> list[str]:
        """Names of all objects of the map."""
        return [k.name for k in self.driver.session.update.objects]


def shown_at(update: SceneUpdate, body: Body) -> TrackedObject:
    """The object of the map that is nearest to where a body is."""
    middle = body.placed.bounds.mean(axis=0)
    return min(
        update.objects,
        key=lambda k: float(np.linalg.norm(k.item.frame_from_object[:3, 3] - middle)),
    )


def error_of(tracked: TrackedObject, body: Body) -> float:
    """Mean distance between the surfaces of an object and of the true body, both ways [m]."""
    made = tracked.item.mesh.transformed(tracked.item.frame_from_object)
    true = mesh_of(subdivided(body.placed))
    there = Surface(true).distance(sample_surface(made, 500)).mean()
    back = Surface(made).distance(sample_surface(true, 500)).mean()
    return float(0.5 * (there + back))


def shifted(x: float = 0, y: float = 0, z: float = 0, turn: float = 0) -> np.ndarray:
    """(4, 4) rigid motion by so much [m] and so many degrees about the vertical."""
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("z", turn, degrees=True).as_matrix()
    motion[:3, 3] = x, y, z
    return motion


def _box(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean(), np.ptp(columns) + 1, np.ptp(rows) + 1])
