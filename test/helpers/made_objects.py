"""Scenes of scene objects from meshes that were made by hand."""

import numpy as np

from iscene_ros.core.colors import instance_color
from iscene_ros.core.scene import Mesh, Plane, Scene, SceneObject, Timings
from iscene_ros.geometry.object_frame import object_frame

UP = np.array([0.0, 0.0, 1.0])


def scene_object(object_id, mesh, label="thing", confidence=0.8, residual=0.001):
    """An object from a trimesh in the world."""
    placed = object_frame(mesh_of(mesh), np.eye(4), UP)
    values = {"observed_fraction": 0.5, "seconds": 0.0, "color": np.array([200, 30, 30], np.uint8)}
    values |= {"confidence": confidence, "depth_residual": residual}
    pose, size = placed.frame_from_object, placed.size
    return object_of(object_id, label, placed.mesh, pose, size, **values)


def object_of(object_id, label, mesh, frame_from_object, size, **changes):
    """An object whose other values seldom matter."""
    values = {"score": 1.0, "observed_fraction": 0.4, "confidence": 0.8, "depth_residual": 0.002}
    values |= {"seconds": 0.05, "color": instance_color(object_id)}
    placed = {"mesh": mesh, "frame_from_object": frame_from_object, "size": size}
    return SceneObject(id=object_id, label=label, **placed, **(values | changes))


def mesh_of(body):
    """A mesh of ours from a trimesh."""
    return Mesh(np.asarray(body.vertices, np.float32), np.asarray(body.faces, np.int32))


def table_plane(half, **changes):
    """The plane z = 0, of which a square of half edges [m] was seen."""
    corners = np.array([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]], float) * half
    outline = np.array([[1, 0, -half], [-1, 0, -half], [0, 1, -half], [0, -1, -half]], float)
    values = {"normal": UP, "offset": 0.0, "sigma": 0.001, "axes": np.eye(3)[:2]}
    values |= {"outline": outline, "corners": corners, "margin": 0.1, "share": 0.9}
    return Plane(**(values | changes))


def scene_bytes(scene):
    """The bytes of all meshes and poses."""
    return b"".join(
        o.mesh.vertices.tobytes() + o.mesh.faces.tobytes() + o.frame_from_object.tobytes()
        for o in scene.objects
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
