"""A completer without a network: an ellipsoid around the observed points of every instance."""

from __future__ import annotations

import numpy as np
import trimesh
from made_objects import object_of

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh, Scene, SceneObject, SkippedObject, Timings
from iscene_ros.models.base import DEFAULT_REQUEST

CHECKSUM = "0" * 64


class FakeCompleter:
    """Stands in for `SceneCompleter`; gravity is the viewing direction where none is known."""

    def complete(self, observation, request=DEFAULT_REQUEST, progress=None) -> Scene:
        """See `SceneCompleter.complete`; of several observations the last is completed."""
        if not isinstance(observation, Observation):
            observation = observation[-1]
        observation = observation.rectified()
        gravity = observation.gravity_camera
        warnings = () if gravity is not None else ("gravity: guessed",)
        gravity = np.array([0.0, 0.0, 1.0]) if gravity is None else gravity
        pose = observation.world_from_camera
        frame_from_camera = np.eye(4) if pose is None else pose
        space = GravityAlignedFrame.from_gravity(gravity)
        objects, skipped = [], []
        for index, instance_id in enumerate(observation.instance_ids):
            label = observation.labels[index]
            pixels = np.argwhere(observation.masks[index] & (observation.depth > 0))
            if instance_id in request.kept:
                objects.append(request.kept[instance_id])
            elif len(pixels):
                depth = observation.depth[pixels[:, 0], pixels[:, 1]]
                points_camera = observation.camera.unproject(pixels[:, ::-1], depth)
                objects.append(
                    _ellipsoid(instance_id, label, points_camera, space, frame_from_camera)
                )
            else:
                skipped.append(SkippedObject(instance_id, label, "no depth inside its mask"))
            if progress is not None:
                progress(index + 1, len(observation.instance_ids), label)
        return Scene(
            frame_id="camera" if pose is None else "world",
            objects=tuple(objects),
            skipped=tuple(skipped),
            frame_from_camera=frame_from_camera,
            gravity_camera=gravity,
            model_name="fake",
            model_checksum=CHECKSUM,
            seed=request.seed,
            steps=request.steps or 1,
            timings=Timings(0.1, 0.2, 0.3, 0.6),
            stamp=observation.stamp,
            warnings=warnings,
            observation=observation,
        )


def _ellipsoid(
    instance_id: int,
    label: str,
    points_camera: np.ndarray,
    space: GravityAlignedFrame,
    frame_from_camera: np.ndarray,
) -> SceneObject:
    low, high = np.percentile(space.from_camera(points_camera), [5, 95], axis=0)
    low[2] -= 0.02
    size = np.maximum(high - low, 0.01)
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    vertices = (sphere.vertices / np.ptp(sphere.vertices, axis=0) * size).astype(np.float32)
    aligned_from_object = np.eye(4)
    aligned_from_object[:3, 3] = (low + high) / 2
    mesh = Mesh(vertices, sphere.faces.astype(np.int32))
    pose = frame_from_camera @ space.camera_from_aligned() @ aligned_from_object
    return object_of(instance_id, label, mesh, pose, size)
