"""What a completed frame makes of the world, put together for the outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iscene_ros.core.errors import ModelError
from iscene_ros.core.scene import Scene, SceneObject
from iscene_ros.core.scene_update import RemovedObject, SceneUpdate
from iscene_ros.session.frames import Frame, TrackedObservation
from iscene_ros.session.object_map import ObjectMap, ObjectMapChange


def scene_update(
    frame: Frame,
    tracked: TrackedObservation,
    scene: Scene,
    change: ObjectMapChange,
    world: ObjectMap,
    gone: tuple[RemovedObject, ...],
    first: bool,
) -> SceneUpdate:
    """The update of a frame.

    Args:
        frame: what was completed.
        tracked: its rectified observation; ids are those of the frame.
        scene: its completion; ids are those of the frame.
        change: what it did to the world.
        world: after the change.
        gone: objects that a reset removed since the update before.
        first: see `SceneUpdate`.
    """
    known = {k.id: k for k in world.objects}
    observation = replace(
        tracked.observation,
        instance_ids=tuple(change.ids[i] for i in tracked.observation.instance_ids),
    )
    skipped = tuple(replace(s, id=change.ids[s.id]) for s in scene.skipped)
    scene = replace(
        scene,
        frame_id=frame.frame_id,
        objects=tuple(known[change.ids[o.id]].item for o in scene.objects),
        skipped=skipped,
    )
    return SceneUpdate(
        stamp_ns=frame.stamp_ns,
        frame_id=frame.frame_id,
        camera_frame=frame.camera_frame,
        objects=world.objects,
        seen=change.seen,
        removed=(*gone, *change.removed),
        skipped=skipped,
        scene=scene,
        observation=observation,
        first=first,
    )


def emptied(update: SceneUpdate, removed: tuple[RemovedObject, ...]) -> SceneUpdate:
    """The update after all objects were forgotten."""
    return replace(
        update,
        objects=(),
        seen=frozenset(),
        removed=removed,
        skipped=(),
        scene=replace(update.scene, objects=(), skipped=()),
        relations=(),
    )


def check_scene(scene: Scene, instance_ids: tuple[int, ...]) -> None:
    """Check what a completer returned.

    Raises:
        ModelError: a number is not finite, a face names no vertex, or an instance is neither
            completed nor skipped.
    """
    told = {o.id for o in scene.objects} | {s.id for s in scene.skipped}
    if told != set(instance_ids):
        raise ModelError(f"model: instances {sorted(told)}, expected {sorted(instance_ids)}")
    for item in scene.objects:
        if not _is_sound(item):
            raise ModelError(f"model: the {item.label} it made is no finite mesh with a pose")


def _is_sound(item: SceneObject) -> bool:
    faces, vertices = item.mesh.faces, item.mesh.vertices
    numbers = vertices, item.frame_from_object, item.size
    finite = all(np.isfinite(values).all() for values in numbers)
    return finite and bool(np.all((faces >= 0) & (faces < len(vertices))))
