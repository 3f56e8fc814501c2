"""The update of a frame, made of what the map holds and what the model completed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import QhullError

from iscene_ros.core.errors import ModelError
from iscene_ros.core.scene import Scene, SceneObject, Timings
from iscene_ros.core.scene_graph import ENVIRONMENT
from iscene_ros.core.scene_update import RemovedObject, SceneUpdate
from iscene_ros.io.world_files import World
from iscene_ros.models.base import Progress, Report
from iscene_ros.relations.build import relate
from iscene_ros.session.associated_frame import AssociatedFrame
from iscene_ros.session.frames import PosedFrame
from iscene_ros.session.object_tracker import ObjectTracker
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.settings import Settings

# How numpy, scipy and trimesh fail on degenerate meshes; LinAlgError is a ValueError.
GEOMETRY_ERRORS = (ArithmeticError, ValueError, QhullError)


@dataclass(frozen=True)
class PendingUpdate:
    """An update of the map that is not published yet.

    Attributes:
        frame: the frame.
        associated: the frame with its instances associated with the tracked objects.
        tracker: copy of the tracked objects, which takes the frame.
        before: the update before it, or None.
        gone: objects that were removed since that update.
        loaded: world that waits for its frame, or None.
    """

    frame: PosedFrame
    associated: AssociatedFrame
    tracker: ObjectTracker
    before: SceneUpdate | None
    gone: tuple[RemovedObject, ...]
    loaded: World | None


def kept_objects(pending: PendingUpdate) -> dict[int, SceneObject]:
    """Return by id the objects of a frame that did not change; they are not completed again."""
    observation = pending.associated.observation
    known = {k.id: k.item for k in pending.tracker.objects}
    described = zip(observation.instance_ids, observation.labels, observation.scores, strict=True)
    # A class may become known, or another one, without a change of the shape.
    return {
        i: replace(known[i], label=label, score=score)
        for i, label, score in described
        if i in known and i not in pending.associated.changed
    }


def unchanged_scene(pending: PendingUpdate, kept: Mapping[int, SceneObject]) -> Scene:
    """Return the scene of a frame in which nothing changed.

    Its model, its doubts and its surroundings are those of the update before.
    """
    observation, before = pending.associated.observation, pending.before.scene
    return replace(
        before,
        objects=tuple(kept.values()),
        skipped=(),
        frame_from_camera=pending.associated.view.frame_from_camera,
        gravity_camera=observation.gravity_camera,
        timings=Timings(),
        stamp=observation.stamp,
        warnings=tuple(dict.fromkeys((*observation.warnings, *before.warnings))),
        observation=None,
    )


def scene_update(
    pending: PendingUpdate,
    scene: Scene,
    seen: frozenset[int],
    removed: tuple[RemovedObject, ...],
) -> SceneUpdate:
    """Return the update of a completed frame, whose objects its tracker holds.

    Args:
        seen: ids of the objects that the frame shows.
        removed: objects that left the map with it.
    """
    tracked = {k.id: k for k in pending.tracker.objects}
    objects = tuple(tracked[o.id].item for o in scene.objects)
    scene = replace(scene, frame_id=pending.frame.frame_id, objects=objects)
    return SceneUpdate(
        stamp_ns=pending.frame.stamp_ns,
        frame_id=pending.frame.frame_id,
        camera_frame=pending.frame.camera_frame,
        objects=pending.tracker.objects,
        seen=seen,
        removed=(*pending.gone, *removed),
        skipped=scene.skipped,
        scene=scene,
        observation=pending.associated.observation,
        first=pending.before is None,
    )


def add_relations(
    update: SceneUpdate,
    before: SceneUpdate | None,
    settings: Settings,
    reject: Callable[[RejectReason, str], None],
    progress: Report | None = None,
) -> SceneUpdate:
    """Return an update with the relations of all its objects.

    A relation between the environment and an object out of view cannot be observed; the one of the
    previous update is kept. A mesh that is too degenerate to be related costs the scene its
    relations, but not its objects; `reject` is called with the reason.
    """
    if not (settings.relations and update.objects):
        return update
    try:
        relations = relate(
            update.map_scene, update.observation, settings.compare_shapes, Progress(progress)
        )
    except GEOMETRY_ERRORS as error:
        line = f"{type(error).__name__}: {error}; the scene is published without relations"
        reject(RejectReason.RELATIONS, line)
        return update
    if before is None or before.frame_id != update.frame_id:
        return replace(update, relations=tuple(relations))
    found = {(r.subject, r.predicate, r.object) for r in relations}
    unseen = {tracked.id for tracked in update.objects} - update.seen
    kept = [
        r
        for r in before.relations
        if ENVIRONMENT in (r.subject, r.object)
        and unseen & {r.subject, r.object}
        and (r.subject, r.predicate, r.object) not in found
    ]
    return replace(update, relations=(*relations, *kept))


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
        ModelError: a number is not finite, a face names no vertex, an instance is neither
            completed nor skipped, or the clean observation is missing.
    """
    given = {o.id for o in scene.objects} | {s.id for s in scene.skipped}
    if given != set(instance_ids):
        raise ModelError(f"model: instances {sorted(given)}, expected {sorted(instance_ids)}")
    if scene.observation is None or scene.observation.instance_ids != instance_ids:
        raise ModelError(
            "model: its scene lacks the observation of the instances that it completed"
        )
    for item in scene.objects:
        faces, vertices = item.mesh.faces, item.mesh.vertices
        numbers = vertices, item.frame_from_object, item.size
        is_finite = all(np.isfinite(values).all() for values in numbers)
        if not is_finite or np.any((faces < 0) | (faces >= len(vertices))):
            raise ModelError(f"model: {item.label} is no finite mesh with a pose")
