"""The object map as it was last published; an update is applied as a whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from iscene_ros.core.errors import ModelError
from iscene_ros.core.scene import Scene, SceneObject
from iscene_ros.core.scene_update import RemovedObject, SceneUpdate
from iscene_ros.session.frames import PosedFrame, TrackedObservation
from iscene_ros.session.inputs import TransformSample
from iscene_ros.session.object_map import ObjectMap, ObjectMapChange
from iscene_ros.session.settings import Settings
from iscene_ros.session.world import World

# (new frame, old frame, stamp [ns]) to (4, 4) new_from_old, or None
Between = Callable[[str, str, int], np.ndarray | None]
# (made update, update before it) to the update that is published
Finish = Callable[[SceneUpdate, SceneUpdate | None], SceneUpdate]


class PublishedMap:
    """The tracked objects, the newest update, and removals that no update has reported yet.

    One thread may add frames while another one resets.

    Args:
        tf_frames: returns the frames in TF, whose names no object gets.

    Attributes:
        update: the newest update; None before the first one and after a reset.
        resets: number of resets so far.
    """

    def __init__(self, tf_frames: Callable[[], Collection[str]] = tuple) -> None:
        self._map = ObjectMap()
        self._tf_frames = tf_frames
        self._lock = threading.Lock()
        self._gone: tuple[RemovedObject, ...] = ()
        self._loaded: World | None = None
        self.update: SceneUpdate | None = None
        self.resets = 0

    def load(self, world: World) -> None:
        """Go on from a world with the first frame in its frame, or in one that TF connects to it.

        Objects that were tracked in another frame until then are removed.
        """
        # A tracker that was restarted, too, has given its ids to other objects.
        objects = tuple(replace(known, tracker_id="") for known in world.objects)
        with self._lock:
            self._loaded = replace(world, objects=objects)
            self._map = ObjectMap.of((), world.next_id)

    def world(self) -> World | None:
        """Return the objects as a world; None before the first update."""
        with self._lock:
            if self.update is None:
                return None
            stamp, frame = self.update.stamp_ns, self.update.frame_id
            return World(frame, stamp, self._map.next_id, self._map.objects)

    def add(
        self,
        frame: PosedFrame,
        observed: TrackedObservation,
        scene: Scene,
        settings: Settings,
        between: Between,
        finish: Finish,
    ) -> SceneUpdate | None:
        """Return the update of a completed frame; None where the map was reset since the frame.

        Where anything fails, the map stays as it was. Only one thread may call it at a time.

        Args:
            frame: the completed frame.
            observed: its rectified observation; ids are those of the frame.
            scene: its completion; ids are those of the frame.
            settings: how objects are matched, named and forgotten.
            between: looks up transforms between output frames.
            finish: adds the relations.

        Raises:
            ModelError: see `check_scene`.
        """
        check_scene(scene, observed.observation.instance_ids)
        with self._lock:
            if frame.resets != self.resets:
                return None
            objects, before, gone = self._map.copy(), self.update, self._gone
            loaded = self._loaded
        objects.taken_names = frozenset(self._tf_frames())
        if before is not None and before.frame_id != frame.frame_id:
            gone += _moved(objects, before, frame.frame_id, between)
        if loaded is not None and (known := _objects_of(loaded, frame.frame_id, between)):
            gone, loaded = gone + objects.clear(), None
            objects = ObjectMap.of(known.objects, objects.next_id)
        change = objects.update(scene, observed, frame.stamp_ns, settings)
        update = scene_update(frame, observed, scene, change, objects, gone, before is None)
        # This takes long; a reset meanwhile does not wait for it.
        update = finish(update, before)
        with self._lock:
            if frame.resets != self.resets:
                return None
            self._map, self._gone, self.update = objects, (), update
            self._loaded = loaded
        return update

    def has_broadcast(self, sample: TransformSample) -> bool:
        """Return whether a transform is that of an object, which TF brings back to its sender."""
        update = self.update
        if update is None or sample.static or sample.parent != update.frame_id:
            return False
        return any(known.name == sample.child for known in update.objects)

    def reset(self) -> SceneUpdate | None:
        """Remove all objects; return the empty map, or None where nothing was published before."""
        with self._lock:
            before, removed = self._forget()
            if before is None:
                return None
            self._gone = ()
            return empty_update(before, removed)

    def forget(self) -> None:
        """Remove all objects; the next update reports them as removed."""
        with self._lock:
            self._forget()

    def _forget(self) -> tuple[SceneUpdate | None, tuple[RemovedObject, ...]]:
        before, self.update, self._loaded = self.update, None, None
        self._gone += self._map.clear()
        self.resets += 1
        return before, self._gone


def _objects_of(world: World, frame_id: str, between: Between) -> ObjectMap | None:
    """Return the objects of a world in a frame; None while TF does not connect the frames."""
    objects = ObjectMap.of(world.objects, world.next_id)
    if frame_id != world.frame_id:
        frame_from_world = between(frame_id, world.frame_id, world.stamp_ns)
        if frame_from_world is None:
            return None
        objects.move(frame_from_world)
    return objects


def _moved(
    objects: ObjectMap, before: SceneUpdate, frame_id: str, between: Between
) -> tuple[RemovedObject, ...]:
    """Transform the objects into another frame; return those that TF cannot transform."""
    # The old frame may move against the new one: the objects lie where they were last seen.
    new_from_old = between(frame_id, before.frame_id, before.stamp_ns)
    if new_from_old is None:
        return objects.clear()
    objects.move(new_from_old)
    return ()


def scene_update(
    frame: PosedFrame,
    observed: TrackedObservation,
    scene: Scene,
    change: ObjectMapChange,
    objects: ObjectMap,
    gone: tuple[RemovedObject, ...],
    first: bool,
) -> SceneUpdate:
    """Return the update of a frame.

    Args:
        frame: the completed frame.
        observed: its rectified observation; ids are those of the frame.
        scene: its completion; ids are those of the frame.
        change: its change of the map.
        objects: the map after the change.
        gone: objects that a reset removed since the previous update.
        first: see `SceneUpdate`.
    """
    tracked = {k.id: k for k in objects.objects}
    observation = replace(
        observed.observation,
        instance_ids=tuple(change.ids[i] for i in observed.observation.instance_ids),
    )
    skipped = tuple(replace(s, id=change.ids[s.id]) for s in scene.skipped)
    scene = replace(
        scene,
        frame_id=frame.frame_id,
        objects=tuple(tracked[change.ids[o.id]].item for o in scene.objects),
        skipped=skipped,
    )
    return SceneUpdate(
        stamp_ns=frame.stamp_ns,
        frame_id=frame.frame_id,
        camera_frame=frame.camera_frame,
        objects=objects.objects,
        seen=change.seen,
        removed=(*gone, *change.removed),
        skipped=skipped,
        scene=scene,
        observation=observation,
        first=first,
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
