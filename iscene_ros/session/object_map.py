"""The object map, shared by threads: an update is applied as a whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from iscene_ros.core.scene import Scene
from iscene_ros.core.scene_update import RemovedObject, SceneUpdate
from iscene_ros.io.world_files import World
from iscene_ros.session.frames import PosedFrame, TrackedObservation
from iscene_ros.session.inputs import TransformSample
from iscene_ros.session.map_updates import (
    PendingUpdate,
    empty_update,
    scene_update,
    without_object,
)
from iscene_ros.session.object_tracker import ObjectTracker
from iscene_ros.session.rejection import RejectedInputError, RejectReason
from iscene_ros.session.settings import Settings

# (new frame, old frame, stamp [ns]) to (4, 4) new_from_old, or None
Between = Callable[[str, str, int], np.ndarray | None]
# (made update, update before it) to the update that is published
Finish = Callable[[SceneUpdate, SceneUpdate | None], SceneUpdate]


class ObjectMap:
    """The tracked objects, the newest update, and removals that no update has reported yet.

    One thread may add frames while another one resets. No object gets the name of one of
    `tf_frames`; `between` looks up transforms between output frames.

    Attributes:
        update: the newest update; None before the first one and after a reset.
        resets: number of resets so far.
    """

    def __init__(self, tf_frames: Callable[[], Collection[str]], between: Between) -> None:
        self._tracker = ObjectTracker()
        self._tf_frames, self._between = tf_frames, between
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
            self._tracker = ObjectTracker(next_id=world.next_id)

    def world(self) -> World | None:
        """Return the objects as a world; None before the first update."""
        with self._lock:
            if self.update is None:
                return None
            stamp, frame = self.update.stamp_ns, self.update.frame_id
            return World(frame, stamp, self._tracker.next_id, self._tracker.objects)

    def begin(
        self,
        frame: PosedFrame,
        observed: TrackedObservation,
        settings: Settings,
        anew: bool,
    ) -> PendingUpdate | None:
        """Associate a frame with the map; None where the map was reset since the frame.

        `anew` completes every instance, even where nothing changed.
        """
        with self._lock:
            if frame.resets != self.resets:
                return None
            objects, before, gone = self._tracker.copy(), self.update, self._gone
            loaded = self._loaded
        same_frame = before is not None and before.frame_id == frame.frame_id
        if before is not None and not same_frame:
            # The old frame may move against the new one: objects lie where they were last seen.
            new_from_old = self._between(frame.frame_id, before.frame_id, before.stamp_ns)
            if new_from_old is None:
                gone += objects.clear()
            else:
                objects.move(new_from_old)
        if loaded is not None and (known := _objects_of(loaded, frame.frame_id, self._between)):
            gone, loaded = gone + objects.clear(), None
            objects, same_frame = ObjectTracker(known.objects, objects.next_id), False
        objects.taken_names = frozenset(self._tf_frames())
        associated = objects.associate(observed, settings, anew or not same_frame)
        return PendingUpdate(frame, associated, objects, before, gone, loaded)

    def commit(
        self, pending: PendingUpdate, scene: Scene, settings: Settings, finish: Finish
    ) -> SceneUpdate | None:
        """Return the update of a completed frame; None where the map was reset since the frame.

        Where anything fails, the map stays as it was. Only one thread may call it at a time.
        `scene` has been checked; `finish` adds the relations.
        """
        frame, tracker = pending.frame, pending.tracker
        seen, removed = tracker.update(pending.associated, scene, frame.stamp_ns, settings)
        update = scene_update(pending, scene, seen, removed)
        # This takes long; a reset meanwhile does not wait for it.
        update = finish(update, pending.before)
        with self._lock:
            if frame.resets != self.resets:
                return None
            self._tracker, self._gone, self.update = tracker, (), update
            self._loaded = pending.loaded
        return update

    def has_broadcast(self, sample: TransformSample) -> bool:
        """Return whether a transform is that of an object, which TF brings back to its sender."""
        update = self.update
        if update is None or sample.static or sample.parent != update.frame_id:
            return False
        return any(known.name == sample.child for known in update.objects)

    def forget_object(self, name: str) -> SceneUpdate:
        """Remove one object by its name or id, and return the update without it.

        A frame that is being completed is dropped, as it may hold the object.

        Raises:
            RejectedInputError: there is no such object.
        """
        with self._lock:
            before = self.update
            known = () if before is None else before.objects
            removed = None if before is None else self._tracker.forget(name)
            if removed is None:
                names = ", ".join(k.name for k in known[:8]) or "none"
                line = f"forget: no object {name!r}; known are: {names}"
                raise RejectedInputError(RejectReason.UNKNOWN_OBJECT, line)
            self.resets += 1
            self.update = without_object(before, removed, self._gone)
            self._gone = ()
            return self.update

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
        self._gone += self._tracker.clear()
        self.resets += 1
        return before, self._gone


def _objects_of(world: World, frame_id: str, between: Between) -> ObjectTracker | None:
    """Return the objects of a world in a frame; None while TF does not connect the frames."""
    objects = ObjectTracker(world.objects, world.next_id)
    if frame_id != world.frame_id:
        frame_from_world = between(frame_id, world.frame_id, world.stamp_ns)
        if frame_from_world is None:
            return None
        objects.move(frame_from_world)
    return objects
