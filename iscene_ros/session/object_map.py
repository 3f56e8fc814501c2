"""The object map: completed objects, kept from frame to frame under one id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.colors import instance_color
from iscene_ros.core.scene import Scene, SceneObject, SkippedObject
from iscene_ros.core.scene_update import RemovedObject, TrackedObject
from iscene_ros.core.slugs import letter_first, slug
from iscene_ros.session.association import MatchCandidate, associate
from iscene_ros.session.frames import TrackedObservation
from iscene_ros.session.settings import Settings
from iscene_ros.session.visibility import View

# An instance that was not completed still shows the known object that it covers this much.
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
    """All known objects, in one coordinate frame."""

    def __init__(self) -> None:
        self._objects: dict[int, TrackedObject] = {}
        self._next_id = 1

    def copy(self) -> ObjectMap:
        """Return a copy with the same objects; changes to one leave the other as it is."""
        made = ObjectMap()
        made._objects, made._next_id = dict(self._objects), self._next_id
        return made

    @property
    def objects(self) -> tuple[TrackedObject, ...]:
        """Ascending by id."""
        return tuple(self._objects[i] for i in sorted(self._objects))

    def update(
        self, scene: Scene, tracked: TrackedObservation, stamp_ns: int, settings: Settings
    ) -> ObjectMapChange:
        """Take the completion of one frame, whose ids are those of the frame's instances.

        Args:
            scene: completed objects of the frame.
            tracked: observation of the frame and the ids of its tracker.
            stamp_ns: stamp of the frame [ns].
            settings: how objects are matched, named and forgotten.
        """
        observation = tracked.observation
        trackers = dict(zip(observation.instance_ids, tracked.tracker_ids, strict=True))
        known, view = self.objects, View(observation, scene.frame_from_camera)
        matches = associate(
            [MatchCandidate(k.item, k.tracker_id) for k in known],
            [MatchCandidate(item, trackers[item.id]) for item in scene.objects],
            settings.match_distance,
            lambda k, f: view.should_show(known[k].item, moved_to=scene.objects[f].id),
        )
        ids, seen = {}, set()
        for item, match in zip(scene.objects, matches, strict=True):
            before = None if match is None else known[match]
            kept = self._keep(item, before, trackers[item.id], stamp_ns, settings)
            ids[item.id] = kept.id
            seen.add(kept.id)
        unseen = [k for k in known if k.id not in seen]
        ids |= self._recognise_skipped(unseen, scene.skipped, view, trackers, stamp_ns)
        missed = [k for k in unseen if k.id not in ids.values()]
        if tracked.left_out is not None:
            missed = [k for k in missed if view.covered_share(k.item, tracked.left_out) < COVERED]
        removed = self._miss(missed, view, settings)
        return ObjectMapChange(ids, frozenset(seen), removed)

    def move(self, new_from_old: np.ndarray) -> None:
        """Express all objects in another frame, given by a (4, 4) rigid transform [m]."""
        for key, known in self._objects.items():
            pose = new_from_old @ known.item.frame_from_object
            item = replace(known.item, frame_from_object=pose)
            self._objects[key] = replace(known, item=item)

    def clear(self) -> tuple[RemovedObject, ...]:
        """Forget everything; ids are not used again."""
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
            key = self._next_id
            self._next_id += 1
            name = f"{settings.frame_prefix}{frame_slug(item.label)}_{key}"
            first = stamp_ns
        else:
            key, name, first = before.id, before.name, before.first_seen_ns
            tracker_id = tracker_id or before.tracker_id
        item = replace(item, id=key, color=instance_color(key))
        self._objects[key] = TrackedObject(item, name, tracker_id, first, stamp_ns)
        return self._objects[key]

    def _recognise_skipped(
        self,
        unseen: Sequence[TrackedObject],
        skipped: Sequence[SkippedObject],
        view: View,
        trackers: Mapping[int, str],
        stamp_ns: int,
    ) -> dict[int, int]:
        """Return map ids of skipped instances: of the object they show, or unused ones."""
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
        self, missed: Sequence[TrackedObject], view: View, settings: Settings
    ) -> tuple[RemovedObject, ...]:
        removed = []
        for known in missed:
            if not view.should_show(known.item):
                continue
            self._objects[known.id] = replace(known, misses=known.misses + 1)
            if known.misses + 1 >= settings.forget_after:
                del self._objects[known.id]
                removed.append(RemovedObject(known.id, known.name))
        return tuple(removed)


def _shown_by(
    instance: SkippedObject, known: Sequence[TrackedObject], view: View, tracker_id: str
) -> TrackedObject | None:
    """Return the object that an instance without a completion shows, or None."""
    tracked = [k for k in known if tracker_id and k.tracker_id == tracker_id]
    if tracked:
        return tracked[0]
    mask = view.mask(instance.id)
    shares = [view.covered_share(k.item, mask) for k in known]
    covered = [(k, share) for k, share in zip(known, shares, strict=True) if share >= COVERED]
    best = max(
        covered, key=lambda pair: (pair[0].item.label == instance.label, pair[1]), default=None
    )
    return None if best is None else best[0]


def frame_slug(label: str) -> str:
    """Return a class name as a part of a TF frame name: "Ice cube tray" -> "ice_cube_tray"."""
    return letter_first(slug(label)[:40], "object_")
