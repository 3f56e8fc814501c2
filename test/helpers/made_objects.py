"""Scenes of scene objects from meshes that were made by hand."""

import numpy as np

from iscene_ros.core.scene import Mesh, Scene, SceneObject, Timings
from iscene_ros.geometry.object_frame import object_frame

UP = np.array([0.0, 0.0, 1.0])


def scene_object(object_id, mesh, label="thing", confidence=0.8, residual=0.001):
    """An object from a trimesh in the world."""
    made = Mesh(np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32))
    placed = object_frame(made, np.eye(4), UP)
    return SceneObject(
        id=object_id,
        label=label,
        score=1.0,
        mesh=placed.mesh,
        frame_from_object=placed.frame_from_object,
        size=placed.size,
        observed_fraction=0.5,
        confidence=confidence,
        depth_residual=residual,
        seconds=0.0,
        color=np.array([200, 30, 30], np.uint8),
    )


def scene_of(*objects, world_from_camera=None, gravity_camera=None):
    """A scene in the world frame, seen from straight above where no pose is given."""
    if world_from_camera is None:
        world_from_camera = np.diag([1.0, -1.0, -1.0, 1.0])
        world_from_camera[2, 3] = 1.5
    if gravity_camera is None:
        gravity_camera = -world_from_camera[2, :3]
    return Scene(
        frame_id="world",
        objects=tuple(objects),
        skipped=(),
        frame_from_camera=world_from_camera,
        gravity_camera=np.asarray(gravity_camera, np.float64),
        model_name="made",
        model_checksum="0" * 64,
        seed=0,
        steps=1,
        timings=Timings(),
    )
