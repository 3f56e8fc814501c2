"""The world as it was published last; a frame changes it as a whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from iscene_ros.core.scene import Scene
from iscene_ros.core.scene_update import RemovedObject, SceneUpdate
from iscene_ros.session.frames import Frame, TrackedObservation
from iscene_ros.session.object_map import ObjectMap, ObjectMapOptions
from iscene_ros.session.scene_update import emptied, scene_update
from iscene_ros.session.settings import Settings

# (new frame, old frame, stamp [ns]) to (4, 4) new_from_old, or None
Between = Callable[[str, str, int], np.ndarray | None]
# (made update, update before it) to the update that is published
Finish = Callable[[SceneUpdate, SceneUpdate | None], SceneUpdate]


class PublishedMap:
    """Known objects, the newest update, and what is still to be told as removed.

    One thread may add frames while another forgets.
    """

    def __init__(self) -> None:
        self._world = ObjectMap()
        self._lock = threading.Lock()
        self._gone: tuple[RemovedObject, ...] = ()
        self.update: SceneUpdate | None = None
        self.resets = 0

    def add(
        self,
        frame: Frame,
        tracked: TrackedObservation,
        scene: Scene,
        settings: Settings,
        between: Between,
        finish: Finish,
    ) -> SceneUpdate | None:
        """The update that a completed frame makes; None where all was forgotten since the frame.

        Where anything fails, the world stays as it was. Only one thread may call it at a time.
        """
        with self._lock:
            if frame.resets != self.resets:
                return None
            world, before, gone = self._world.copy(), self.update, self._gone
        if before is not None and before.frame_id != frame.frame_id:
            gone += _moved(world, before, frame.frame_id, between)
        change = world.update(scene, tracked, frame.stamp_ns, ObjectMapOptions.of(settings))
        update = scene_update(frame, tracked, scene, change, world, gone, before is None)
        # This takes long; who forgets everything meanwhile does not wait for it.
        update = finish(update, before)
        with self._lock:
            if frame.resets != self.resets:
                return None
            self._world, self._gone, self.update = world, (), update
        return update

    def reset(self) -> SceneUpdate | None:
        """Forget everything; the emptied world, or None where nothing was published before."""
        with self._lock:
            before, removed = self._forget()
            if before is None:
                return None
            self._gone = ()
            return emptied(before, removed)

    def forget(self) -> None:
        """Forget everything; the next update says what is removed."""
        with self._lock:
            self._forget()

    def _forget(self) -> tuple[SceneUpdate | None, tuple[RemovedObject, ...]]:
        before, self.update = self.update, None
        self._gone += self._world.clear()
        self.resets += 1
        return before, self._gone


def _moved(
    world: ObjectMap, before: SceneUpdate, frame_id: str, between: Between
) -> tuple[RemovedObject, ...]:
    """Take the objects along into another frame; those that are lost where TF knows no way."""
    # The old frame may move against the new one: the objects lie where they were last seen.
    new_from_old = between(frame_id, before.frame_id, before.stamp_ns)
    if new_from_old is None:
        return world.clear()
    world.move(new_from_old)
    return ()
