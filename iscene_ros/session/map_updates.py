"""The update of a frame, made of what the map holds and what the model completed."""

from __future__ import annotations

from collections.abc import Mapping
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


def kept_objects(look: MapLook) -> dict[int, SceneObject]:
    """Return by id the objects of a frame that did not change; they are not completed again."""
    observation = look.frame_look.observation
    known = {k.id: k.item for k in look.objects.objects}
    described = zip(observation.instance_ids, observation.labels, observation.scores, strict=True)
    # A class may become known, or another one, without a change of the shape.
    return {
        i: replace(known[i], label=label, score=score)
        for i, label, score in described
        if i in known and i not in look.frame_look.changed
    }


def unchanged_scene(look: MapLook, kept: Mapping[int, SceneObject]) -> Scene:
    """Return the scene of a frame in which nothing changed.

    Its model, its doubts and its surroundings are those of the update before.
    """
    observation, before = look.frame_look.observation, look.before.scene
    return replace(
        before,
        objects=tuple(kept.values()),
        skipped=(),
        frame_from_camera=look.frame_look.view.frame_from_camera,
        gravity_camera=observation.gravity_camera,
        timings=Timings(),
        stamp=observation.stamp,
        warnings=tuple(dict.fromkeys((*observation.warnings, *before.warnings))),
        observation=None,
    )


def scene_update(look: MapLook, scene: Scene, change: ObjectMapChange) -> SceneUpdate:
    """Return the update of a frame.

    Args:
        look: what the frame shows; its map holds the completed objects.
        scene: the completion of the frame.
        change: its change of the map.
    """
    tracked = {k.id: k for k in look.objects.objects}
    objects = tuple(tracked[o.id].item for o in scene.objects)
    scene = replace(scene, frame_id=look.frame.frame_id, objects=objects)
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
