"""The object map: completed objects, kept from frame to frame under one id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.colors import instance_color
from iscene_ros.core.scene import Scene, SceneObject, SkippedObject
from iscene_ros.core.scene_update import RemovedObject, TrackedObject
from iscene_ros.core.slugs import object_name
from iscene_ros.session.association import MatchCandidate, associate
from iscene_ros.session.frames import TrackedObservation
from iscene_ros.session.settings import Settings
from iscene_ros.session.visibility import CameraView

# An instance that was not completed shows the object of the map that it covers this much.
COVERED = 0.5


@dataclass(frozen=True)
class ObjectMapChange:
    """Change of the map by one frame.

    Attributes:
        ids: id in the map by instance id of the frame.
        seen: ids in the map that the frame completed.
        removed: objects that left the map.
    """

    ids: Mapping[int, int]
    seen: frozenset[int]
    removed: tuple[RemovedObject, ...]


class ObjectMap:
    """All objects that are tracked, in one coordinate frame.

    Attributes:
        taken_names: names that others use; no new object gets one of them.
    """

    def __init__(self) -> None:
        self.taken_names: frozenset[str] = frozenset()
        self._objects: dict[int, TrackedObject] = {}
        self._next_id = 1

    @classmethod
    def of(cls, objects: Iterable[TrackedObject], next_id: int) -> ObjectMap:
        """Return a map of some objects; `next_id` will be the id of the next new one."""
        made = cls()
        made._objects, made._next_id = {known.id: known for known in objects}, next_id
        return made

    @property
    def next_id(self) -> int:
        """The id of the next new object."""
        return self._next_id

    def copy(self) -> ObjectMap:
        """Return a copy with the same objects; changes to one leave the other as it is."""
        made = ObjectMap()
        made._objects, made._next_id = dict(self._objects), self._next_id
        return made

    @property
    def objects(self) -> tuple[TrackedObject, ...]:
        """The objects, ascending by id."""
        return tuple(self._objects[i] for i in sorted(self._objects))

    def update(
        self, scene: Scene, observed: TrackedObservation, stamp_ns: int, settings: Settings
    ) -> ObjectMapChange:
        """Update the map by the completion of one frame and return what changed.

        Args:
            scene: completed objects of the frame; ids are those of its instances.
            observed: observation of the frame and the ids of its tracker.
            stamp_ns: stamp of the frame [ns].
            settings: how objects are matched, named and forgotten.
        """
        observation = observed.observation
        trackers = dict(zip(observation.instance_ids, observed.tracker_ids, strict=True))
        tracked, view = self.objects, CameraView(observation, scene.frame_from_camera)
        matches = associate(
            [MatchCandidate(k.item, k.tracker_id) for k in tracked],
            [MatchCandidate(item, trackers[item.id]) for item in scene.objects],
            settings.match_distance,
            lambda k, f: view.should_show(tracked[k].item, moved_to=scene.objects[f].id),
        )
        ids, seen = {}, set()
        for item, match in zip(scene.objects, matches, strict=True):
            before = None if match is None else tracked[match]
            kept = self._keep(item, before, trackers[item.id], stamp_ns, settings)
            ids[item.id] = kept.id
            seen.add(kept.id)
        unseen = [k for k in tracked if k.id not in seen]
        ids |= self._recognise_skipped(unseen, scene.skipped, view, trackers, stamp_ns)
        missed = [k for k in unseen if k.id not in ids.values()]
        if observed.left_out is not None:
            missed = [k for k in missed if view.covered_share(k.item, observed.left_out) < COVERED]
        removed = self._miss(missed, view, settings)
        return ObjectMapChange(ids, frozenset(seen), removed)

    def move(self, new_from_old: np.ndarray) -> None:
        """Express all objects in another frame, given by a (4, 4) rigid transform [m]."""
        for key, tracked in self._objects.items():
            pose = new_from_old @ tracked.item.frame_from_object
            item = replace(tracked.item, frame_from_object=pose)
            self._objects[key] = replace(tracked, item=item)

    def clear(self) -> tuple[RemovedObject, ...]:
        """Remove all objects and return them; their ids are not used again."""
        removed = tuple(RemovedObject(k.id, k.name) for k in self.objects)
        self._objects.clear()
        return removed

    def _keep(
        self,
        item: SceneObject,
        before: TrackedObject | None,
        tracker_id: str,
        stamp_ns: int,
        settings: Settings,
    ) -> TrackedObject:
        if before is None:
            key, name = self._next_name(item.label, settings.frame_prefix)
            first = stamp_ns
        else:
            key, name, first = before.id, before.name, before.first_seen_ns
            tracker_id = tracker_id or before.tracker_id
        item = replace(item, id=key, color=instance_color(key))
        self._objects[key] = TrackedObject(item, name, tracker_id, first, stamp_ns)
        return self._objects[key]

    def _next_name(self, label: str, prefix: str) -> tuple[int, str]:
        """Return the next id, and the name that it gives; ids of taken names are not used."""
        while object_name(label, self._next_id, prefix) in self.taken_names:
            self._next_id += 1
        key, self._next_id = self._next_id, self._next_id + 1
        return key, object_name(label, key, prefix)

    def _recognise_skipped(
        self,
        unseen: Sequence[TrackedObject],
        skipped: Sequence[SkippedObject],
        view: CameraView,
        trackers: Mapping[int, str],
        stamp_ns: int,
    ) -> dict[int, int]:
        """Return the map id of each skipped instance: of the object it shows, or an unused one."""
        recognised: dict[int, int] = {}
        left, fresh = list(unseen), self._next_id
        for instance in skipped:
            match = _shown_by(instance, left, view, trackers[instance.id])
            if match is None:
                recognised[instance.id], fresh = fresh, fresh + 1
            else:
                left.remove(match)
                recognised[instance.id] = match.id
                self._objects[match.id] = replace(match, misses=0, last_seen_ns=stamp_ns)
        return recognised

    def _miss(
        self, missed: Sequence[TrackedObject], view: CameraView, settings: Settings
    ) -> tuple[RemovedObject, ...]:
        removed = []
        for tracked in missed:
            if not view.should_show(tracked.item):
                continue
            self._objects[tracked.id] = replace(tracked, misses=tracked.misses + 1)
            if tracked.misses + 1 >= settings.forget_after:
                del self._objects[tracked.id]
                removed.append(RemovedObject(tracked.id, tracked.name))
        return tuple(removed)


def _shown_by(
    instance: SkippedObject, tracked: Sequence[TrackedObject], view: CameraView, tracker_id: str
) -> TrackedObject | None:
    """Return the object that an instance without a completion shows, or None."""
    same_id = [k for k in tracked if tracker_id and k.tracker_id == tracker_id]
    if same_id:
        return same_id[0]
    mask = view.mask(instance.id)
    shares = [view.covered_share(k.item, mask) for k in tracked]
    covered = [(k, share) for k, share in zip(tracked, shares, strict=True) if share >= COVERED]
    best = max(
        covered, key=lambda pair: (pair[0].item.label == instance.label, pair[1]), default=None
    )
    return None if best is None else best[0]
