"""Tracking of objects: completed objects, kept from frame to frame under one id.

A frame is taken in two steps. `associate` comes before its completion: it finds the known objects
among the instances, moves those that moved, and decides with which views each instance is
completed, and whether it has to be. `update` takes the completed objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from iscene_ros.core.colors import instance_color
from iscene_ros.core.keyframe import Keyframe
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene, SceneObject
from iscene_ros.core.scene_update import RemovedObject, TrackedObject
from iscene_ros.core.slugs import object_name
from iscene_ros.geometry.camera_view import CameraView
from iscene_ros.geometry.object_surface import ObjectSurface
from iscene_ros.session.associated_frame import (
    AssociatedFrame,
    AssociatedInstance,
    associated_frame,
)
from iscene_ros.session.association import Match, associate, recognise
from iscene_ros.session.evidence import carried
from iscene_ros.session.frames import TrackedObservation
from iscene_ros.session.measurements import MapObject, Measurement, clean_keyframe, measurements
from iscene_ros.session.settings import Settings

# An instance that is left out shows the object of the map that it covers this much.
COVERED = 0.5
# Removed objects that are remembered, in case they come back.
LOST_OBJECTS = 10


class ObjectTracker:
    """All objects that are tracked, in one coordinate frame.

    Attributes:
        next_id: id of the next new object.
        taken_names: names that others use; no new object gets one of them.
    """

    def __init__(self, objects: Iterable[TrackedObject] = (), next_id: int = 1) -> None:
        self.next_id, self.taken_names = next_id, frozenset()
        self._objects = {known.id: known for known in objects}
        self._lost: dict[int, TrackedObject] = {}
        self._emptied: dict[int, Keyframe] = {}
        self._surfaces: dict[int, tuple[SceneObject, ObjectSurface]] = {}

    def copy(self) -> ObjectTracker:
        """Return a copy with the same objects; changes to one leave the other as it is."""
        made = ObjectTracker(self._objects.values(), self.next_id)
        made._lost = dict(self._lost)
        made._surfaces, made._emptied = self._surfaces, self._emptied
        return made

    @property
    def objects(self) -> tuple[TrackedObject, ...]:
        """The objects, ascending by id."""
        return tuple(self._objects[i] for i in sorted(self._objects))

    def associate(
        self, observed: TrackedObservation, settings: Settings, anew: bool
    ) -> AssociatedFrame:
        """Find the known objects in a frame, and move those that moved.

        `anew` completes every instance, even where nothing changed.
        """
        pose = observed.observation.world_from_camera
        fuses = settings.fusion and pose is not None
        view = CameraView(observed.observation, np.eye(4) if pose is None else pose)
        measured = measurements(observed)
        known = [self._known(tracked) for tracked in self.objects]
        turns = pose is not None
        matches, overruled = associate(view, known, measured, settings.match_distance, turns)
        matched = self._recognised(view, known, measured, matches, turns)
        found = [
            AssociatedInstance(
                own_id,
                instance,
                None if known is None else known.tracked.keyframes,
                self._carry(view, known, instance, motion, settings) if fuses else (),
                self._emptied.get(own_id),
            )
            for own_id, instance, (known, motion) in zip(
                self._ids(matched, measured, settings.frame_prefix), measured, matched, strict=True
            )
        ]
        return associated_frame(observed, found, overruled, settings, anew)

    def update(
        self, frame: AssociatedFrame, scene: Scene, stamp_ns: int, settings: Settings
    ) -> tuple[frozenset[int], tuple[RemovedObject, ...]]:
        """Put the completed objects of an associated frame into the map.

        Args:
            scene: objects of the frame, those that did not change as they were; ids are those of
                the frame.

        Returns:
            Ids in the map that the frame shows, completed; and the objects that left the map.
        """
        rows = {i: row for row, i in enumerate(frame.observation.instance_ids)}
        for item in scene.objects:
            row = rows[item.id]
            before, tracker_id = self._objects.get(item.id), frame.tracker_ids[row]
            if before is None:
                name, first = object_name(item.label, item.id, settings.frame_prefix), stamp_ns
            else:
                name, first = before.name, before.first_seen_ns
                tracker_id = tracker_id or before.tracker_id
            item = replace(item, color=instance_color(item.id))
            keyframes = self._keyframes(frame.found[row], scene.observation)
            self._objects[item.id] = TrackedObject(
                item, name, tracker_id, first, stamp_ns, keyframes=keyframes
            )
        seen = frozenset(item.id for item in scene.objects)
        for skipped in scene.skipped:
            if skipped.id in self._objects:
                tracked = self._objects[skipped.id]
                self._objects[skipped.id] = replace(tracked, misses=0, last_seen_ns=stamp_ns)
        self.next_id = max([self.next_id - 1, *self._objects]) + 1
        for cache in (self._surfaces, self._emptied):
            for key in cache.keys() - self._objects.keys() - self._lost.keys():
                del cache[key]
        unseen = [k for k in self.objects if k.id not in rows]
        return seen, self._miss(unseen, frame, settings)

    def move(self, new_from_old: np.ndarray) -> None:
        """Express all objects in another frame, given by a (4, 4) rigid transform [m]."""
        for objects in (self._objects, self._lost):
            for key, tracked in objects.items():
                objects[key] = tracked.moved(new_from_old)

    def forget(self, name: str) -> RemovedObject | None:
        """Remove the object of a name or an id, and what is known of it; None: there is none."""
        for tracked in self.objects:
            if name in (tracked.name, str(tracked.id)):
                del self._objects[tracked.id]
                return RemovedObject(tracked.id, tracked.name)
        return None

    def clear(self) -> tuple[RemovedObject, ...]:
        """Remove all objects and return them; their ids are not used again."""
        removed = tuple(RemovedObject(k.id, k.name) for k in self.objects)
        self._objects.clear()
        self._lost.clear()
        return removed

    def _known(self, tracked: TrackedObject) -> MapObject:
        """Return an object with the sample of its surface, which is made once for each mesh."""
        made = self._surfaces.get(tracked.id)
        if made is None or made[0].mesh is not tracked.item.mesh:
            made = self._surfaces[tracked.id] = tracked.item, ObjectSurface.of(tracked.item)
        return MapObject(tracked, made[1])

    def _recognised(
        self,
        view: CameraView,
        known: Sequence[MapObject],
        measured: Sequence[Measurement],
        matches: Sequence[Match],
        turns: bool,
    ) -> list[tuple[MapObject | None, np.ndarray | None]]:
        """Return object and motion of each instance; removed objects that came back are revived."""
        found = []
        for instance, match in zip(measured, matches, strict=True):
            if match.index is not None:
                found.append((known[match.index], match.motion))
                continue
            lost = [self._known(tracked) for tracked in self._lost.values()]
            back = recognise(view, lost, instance, turns)
            if back.index is None:
                found.append((None, None))
                continue
            revived = lost[back.index]
            self._objects[revived.tracked.id] = self._lost.pop(revived.tracked.id)
            found.append((revived, back.motion))
        return found

    def _ids(
        self,
        matched: Sequence[tuple[MapObject | None, np.ndarray | None]],
        measured: Sequence[Measurement],
        prefix: str,
    ) -> list[int]:
        """Return the id of each instance; new ones that can be completed come first.

        Ids that would give an object a taken name are not used.
        """
        ids = [0 if known is None else known.tracked.id for known, _ in matched]
        new = [row for row, own_id in enumerate(ids) if not own_id]
        for row in sorted(new, key=lambda row: measured[row].keyframe is None):
            ids[row] = max(self.next_id - 1, *ids) + 1
            while object_name(measured[row].label, ids[row], prefix) in self.taken_names:
                ids[row] += 1
        return ids

    def _carry(
        self,
        view: CameraView,
        known: MapObject | None,
        measured: Measurement,
        motion: np.ndarray | None,
        settings: Settings,
    ) -> tuple[Keyframe, ...]:
        """Move an object that moved; return what is left of its evidence."""
        if known is None:
            return ()
        if measured.keyframe is None or not known.tracked.keyframes:
            return known.tracked.keyframes
        motion, keyframes = carried(view, known, measured, motion, settings)
        if motion is not None:
            moved = known.tracked.moved(motion)
            self._objects[moved.id] = replace(moved, keyframes=keyframes)
        return keyframes

    def _keyframes(self, found: AssociatedInstance, clean: Observation) -> tuple[Keyframe, ...]:
        """Return the views to keep of an instance; this one, if it is new, from a clean frame."""
        if not found.is_new_view:
            return found.chosen
        new = clean_keyframe(clean, found.id)
        if new is None:
            self._emptied[found.id] = found.measurement.keyframe
            return found.keyframes
        return *found.others, new

    def _miss(
        self, unseen: Sequence[TrackedObject], frame: AssociatedFrame, settings: Settings
    ) -> tuple[RemovedObject, ...]:
        """Count the objects that the frame sees through; remove those of too many such frames."""
        removed = []
        for tracked in unseen:
            known = self._known(tracked)
            if frame.left_out is not None:
                covered = frame.view.covered_share(known.surface, known.pose, frame.left_out)
                if covered >= COVERED:
                    continue
            missing = frame.view.is_missing(known.surface, known.pose, tracked.item.size, None)
            if missing is None:
                continue
            misses = tracked.misses + 1 if missing else 0
            self._objects[tracked.id] = replace(tracked, misses=misses)
            if misses >= settings.forget_after:
                # Remember the newest of those that were removed.
                self._lost[tracked.id] = replace(self._objects.pop(tracked.id), misses=0)
                for key in list(self._lost)[:-LOST_OBJECTS]:
                    del self._lost[key]
                removed.append(RemovedObject(tracked.id, tracked.name))
        return tuple(removed)
