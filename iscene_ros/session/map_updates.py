"""The update of a frame, made of what the map holds and what the model completed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.errors import ModelError
from iscene_ros.core.scene import Scene, SceneObject, Timings
from iscene_ros.core.scene_update import RemovedObject, SceneUpdate
from iscene_ros.session.frame_look import FrameLook
from iscene_ros.session.frames import PosedFrame
from iscene_ros.session.object_map import ObjectMap, ObjectMapChange
from iscene_ros.session.world import World


@dataclass(frozen=True)
class MapLook:
    """What a frame shows, and the map that it changes.

    Attributes:
        frame: the frame.
        frame_look: what the map finds in it.
        objects: copy of the map, for this frame.
        before: the update before it, or None.
        gone: objects that were removed since that update.
        loaded: world that waits for its frame, or None.
    """

    frame: PosedFrame
    frame_look: FrameLook
    objects: ObjectMap
    before: SceneUpdate | None
    gone: tuple[RemovedObject, ...]
    loaded: World | None


def with_unchanged(scene: Scene | None, look: MapLook) -> Scene:
    """Return the scene of a frame in which the instances that did not change are as they were."""
    observation, changed = look.frame_look.observation, look.frame_look.changed
    # A class may become known, or another one, without a change of the shape.
    described = {
        i: (label, score)
        for i, label, score in zip(
            observation.instance_ids, observation.labels, observation.scores, strict=True
        )
        if i not in changed
    }
    kept = {
        k.id: replace(k.item, label=described[k.id][0], score=described[k.id][1])
        for k in look.objects.objects
        if k.id in described
    }
    if scene is None:
        # Nothing was completed: model, doubts and surroundings are those of the update before.
        scene = replace(
            look.before.scene,
            skipped=(),
            frame_from_camera=look.frame_look.view.frame_from_camera,
            gravity_camera=observation.gravity_camera,
            timings=Timings(),
            stamp=observation.stamp,
            warnings=tuple(dict.fromkeys((*observation.warnings, *look.before.scene.warnings))),
        )
    items = {o.id: o for o in scene.objects} | kept
    return replace(
        scene,
        frame_id=look.frame.frame_id,
        objects=tuple(items[i] for i in observation.instance_ids if i in items),
        skipped=tuple(s for s in scene.skipped if s.id not in kept),
    )


def scene_update(look: MapLook, scene: Scene, change: ObjectMapChange) -> SceneUpdate:
    """Return the update of a frame.

    Args:
        look: what the frame shows; its map holds the completed objects.
        scene: the completion of the frame.
        change: its change of the map.
    """
    tracked = {k.id: k for k in look.objects.objects}
    scene = replace(scene, objects=tuple(tracked[o.id].item for o in scene.objects))
    return SceneUpdate(
        stamp_ns=look.frame.stamp_ns,
        frame_id=look.frame.frame_id,
        camera_frame=look.frame.camera_frame,
        objects=look.objects.objects,
        seen=change.seen,
        removed=(*look.gone, *change.removed),
        skipped=scene.skipped,
        scene=scene,
        observation=look.frame_look.observation,
        first=look.before is None,
    )


def without_object(
    update: SceneUpdate, removed: RemovedObject, gone: tuple[RemovedObject, ...]
) -> SceneUpdate:
    """Return an update after one object, and those gone before it, were removed."""
    scene = update.scene
    return replace(
        update,
        objects=tuple(k for k in update.objects if k.id != removed.id),
        seen=update.seen - {removed.id},
        removed=(*gone, removed),
        scene=replace(scene, objects=tuple(o for o in scene.objects if o.id != removed.id)),
        relations=tuple(r for r in update.relations if removed.id not in (r.subject, r.object)),
        first=False,
    )


def empty_update(update: SceneUpdate, removed: tuple[RemovedObject, ...]) -> SceneUpdate:
    """Return an update without objects, after all of them were removed."""
    return replace(
        update,
        objects=(),
        seen=frozenset(),
        removed=removed,
        skipped=(),
        scene=replace(update.scene, objects=(), skipped=(), environment=None),
        relations=(),
    )


def check_scene(scene: Scene, instance_ids: tuple[int, ...]) -> None:
    """Check the scene that a completer returned.

    Raises:
        ModelError: a number is not finite, a face names no vertex, or an instance is neither
            completed nor skipped.
    """
    given = {o.id for o in scene.objects} | {s.id for s in scene.skipped}
    if given != set(instance_ids):
        raise ModelError(f"model: instances {sorted(given)}, expected {sorted(instance_ids)}")
    for item in scene.objects:
        if not _is_valid(item):
            raise ModelError(f"model: {item.label} is no finite mesh with a pose")


def _is_valid(item: SceneObject) -> bool:
    faces, vertices = item.mesh.faces, item.mesh.vertices
    numbers = vertices, item.frame_from_object, item.size
    finite = all(np.isfinite(values).all() for values in numbers)
    return finite and bool(np.all((faces >= 0) & (faces < len(vertices))))
