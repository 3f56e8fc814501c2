"""Completers without a network, for benchmarks of all that is around one."""

from __future__ import annotations

import time

import numpy as np
import trimesh

from iscene_ros.core.colors import instance_color
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.keyframe import Keyframe
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh, Scene, SceneObject, Timings
from iscene_ros.geometry.object_frame import PlacedMesh, object_frame
from iscene_ros.lab.benchmarks.table_scene import TableScene
from iscene_ros.models.base import DEFAULT_REQUEST, CompletionRequest, Report
from iscene_ros.preprocess.depth_cleaning import clean_observation

UP = np.array([0.0, 0.0, 1.0])


class StubCompleter:
    """A completer whose subclasses say which mesh an instance has.

    Args:
        pause: Least time of a completion [s].

    Attributes:
        seconds: (2,) float64 of each completion, by the clock and of the CPU [s].
    """

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause
        self.seconds: list[np.ndarray] = []

    def complete(
        self,
        observation: Observation,
        request: CompletionRequest = DEFAULT_REQUEST,
        progress: Report | None = None,
    ) -> Scene:
        """Return an object for each instance; see `Completer.complete`."""
        started = clock_and_cpu()
        time.sleep(self.pause)
        objects = []
        for row, number in enumerate(observation.instance_ids):
            placed = self._placed(observation, row)
            every_second = np.arange(len(placed.mesh.vertices)) % 2 == 0
            made = SceneObject(
                *(number, observation.labels[row], 1.0, *placed),
                *(0.5, 0.8, 0.001, 0.0, instance_color(number), every_second),
            )
            objects.append(made)
        pose, gravity = observation.world_from_camera, observation.gravity_camera
        scene = Scene(
            *("world", tuple(objects), (), pose, gravity),
            *("stub", "0" * 64, request.seed, 1, Timings()),
            observation=self._cleaned(observation, request),
        )
        self.seconds.append(clock_and_cpu() - started)
        return scene

    def _placed(self, observation: Observation, row: int) -> PlacedMesh:
        """Return the mesh of an instance."""
        raise NotImplementedError

    def _cleaned(self, observation: Observation, request: CompletionRequest) -> Observation:
        """Return the observation as the scene keeps it."""
        return observation


class Ellipsoids(StubCompleter):
    """Makes an ellipsoid, once, for each instance of a still scene.

    Args:
        faces: Approximate number of triangles of an ellipsoid.
        pause: Least time of a completion [s].
    """

    def __init__(self, faces: int = 5000, pause: float = 0.0) -> None:
        super().__init__(pause)
        # A sphere of n x n segments has 4 n (n - 1) triangles.
        segments = max(4, round(0.5 * faces**0.5))
        sphere = trimesh.creation.uv_sphere(radius=0.05, count=[segments, segments])
        self.mesh = Mesh(sphere.vertices.astype(np.float32), sphere.faces.astype(np.int32))
        self._made: dict[int, PlacedMesh] = {}

    def _placed(self, observation: Observation, row: int) -> PlacedMesh:
        """Return an ellipsoid in the box around what was seen at first."""
        if row not in self._made:
            points = Keyframe(observation, observation.instance_ids[row]).points
            low, high = np.quantile(points, [0.02, 0.98], axis=0)
            size, pose = np.maximum(high - low, 0.01), np.eye(4)
            pose[:3, 3] = 0.5 * (low + high)
            mesh = Mesh(self.mesh.vertices * (10 * size).astype(np.float32), self.mesh.faces)
            self._made[row] = PlacedMesh(mesh, pose, size)
        return self._made[row]


class TrueMeshes(StubCompleter):
    """Returns the true meshes of a table scene, and cleans the frame, as completers do."""

    def __init__(self, scene: TableScene) -> None:
        super().__init__()
        self._true = [object_frame(mesh, np.eye(4), UP) for mesh in scene.meshes_world]

    def _placed(self, observation: Observation, row: int) -> PlacedMesh:
        # Labels are the names of the true objects, as ids may change.
        return self._true[int(observation.labels[row].removeprefix("class_"))]

    def _cleaned(self, observation: Observation, request: CompletionRequest) -> Observation:
        aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
        return clean_observation(observation, aligned_frame, request.evidence).observation


def clock_and_cpu() -> np.ndarray:
    """Return (2,) the time of the clock and of the CPU [s]."""
    return np.array([time.perf_counter(), time.process_time()])
