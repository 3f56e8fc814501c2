"""Scene updates to encode: a small one made by hand, and one of the real frame."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import trimesh
from fake_completer import CHECKSUM, FakeCompleter
from made_objects import mesh_of, object_of
from scipy.spatial.transform import Rotation

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh, Relation, Scene, SceneObject, SkippedObject, Timings
from iscene_ros.core.scene_update import RemovedObject, SceneUpdate, TrackedObject
from iscene_ros.io.demo_frame import arc2017_observation

STAMP_NS = 1_700_000_000_123_456_789
# A camera that looks down on a table from 0.8 m, tilted.
WORLD_FROM_CAMERA = np.eye(4)
WORLD_FROM_CAMERA[:3, :3] = Rotation.from_euler("XZ", [200, 30], degrees=True).as_matrix()
WORLD_FROM_CAMERA[:3, 3] = [0.3, -0.2, 0.8]


def cube(edge_m: float = 0.1) -> Mesh:
    """A cube around the origin."""
    return mesh_of(trimesh.creation.box((edge_m,) * 3))


def scene_object(object_id: int = 1, label: str = "mug", mesh: Mesh | None = None) -> SceneObject:
    """An object beside others, turned about its upright axis."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("z", 25 * object_id, degrees=True).as_matrix()
    pose[:3, 3] = [0.2 * object_id, -0.1, 0.05]
    return object_of(object_id, label, mesh or cube(), pose, np.full(3, 0.1), score=0.9)


def tracked_object(item: SceneObject, name: str | None = None) -> TrackedObject:
    """An object of the map that has been tracked for a second."""
    return TrackedObject(
        item=item,
        name=f"{item.label}_{item.id}" if name is None else name,
        tracker_id=f"t{item.id}",
        first_seen_ns=STAMP_NS - 10**9,
        last_seen_ns=STAMP_NS,
    )


def small_update(
    objects: tuple[TrackedObject, ...] | None = None, **changes: object
) -> SceneUpdate:
    """A mug, a remembered bowl that this frame does not show, and a table under them."""
    if objects is None:
        objects = tracked_object(scene_object(1, "mug")), tracked_object(scene_object(2, "bowl"))
    depth = np.ones((24, 32), np.float32)
    mask = np.zeros((1, 24, 32), bool)
    mask[0, 8:16, 8:16] = True
    camera = Camera(32, 24, np.array([[30.0, 0, 15.5], [0, 30, 11.5], [0, 0, 1]]))
    observation = Observation(
        depth, mask, camera, labels=("mug",), world_from_camera=WORLD_FROM_CAMERA
    )
    skipped = (SkippedObject(9, "fork", "no depth inside its mask"),)
    scene = Scene(
        frame_id="map",
        objects=tuple(one.item for one in objects[:1]),
        skipped=skipped,
        frame_from_camera=WORLD_FROM_CAMERA,
        gravity_camera=observation.gravity_camera,
        model_name="fake",
        model_checksum=CHECKSUM,
        seed=0,
        steps=1,
        timings=Timings(0.1, 0.2, 0.3, 0.6),
        stamp=STAMP_NS * 1e-9,
    )
    update = SceneUpdate(
        stamp_ns=STAMP_NS,
        frame_id="map",
        camera_frame="camera_color_optical_frame",
        objects=objects,
        seen=frozenset(one.id for one in objects[:1]),
        removed=(),
        skipped=skipped,
        scene=scene,
        observation=observation,
        relations=(Relation(1, "supported_by", 0, 0.9), Relation(1, "near", 2, 0.5)),
    )
    return replace(update, **changes)


@lru_cache(maxsize=1)
def arc2017_update() -> SceneUpdate:
    """The real frame seen by a robot, completed to ellipsoids."""
    observation = replace(arc2017_observation(), world_from_camera=WORLD_FROM_CAMERA)
    return completed_update(observation, FakeCompleter().complete(observation))


def completed_update(observation: Observation, scene: Scene) -> SceneUpdate:
    """The update of a map after its first frame."""
    scene = replace(scene, frame_id="map")
    return SceneUpdate(
        stamp_ns=STAMP_NS,
        frame_id="map",
        camera_frame="camera_color_optical_frame",
        objects=tuple(tracked_object(item) for item in scene.objects),
        seen=frozenset(item.id for item in scene.objects),
        removed=(RemovedObject(77, "can_77"),),
        skipped=scene.skipped,
        scene=scene,
        observation=observation,
        relations=(Relation(1, "supported_by", 2, 0.7),),
        first=True,
    )
