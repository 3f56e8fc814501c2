"""Output of a session: the tracked objects and what changed since the previous frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from iscene_ros.core.keyframe import Keyframe
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Relation, Scene, SceneObject, SkippedObject

if TYPE_CHECKING:
    from iscene_ros.core.scene_graph import SceneGraph


@dataclass(frozen=True)
class TrackedObject:
    """An object of the map, kept from frame to frame.

    Attributes:
        item: its newest completion; `item.id` is its id in the map, `item.frame_from_object` its
            pose in the frame of the update.
        name: TF frame, Detection3D id, marker namespace and id of the collision object.
        tracker_id: its id at the tracker; "" where there is none.
        first_seen_ns, last_seen_ns: stamps of the frames that showed it [ns].
        misses: frames in a row that saw through it.
        keyframes: views that it is completed from, in the frame of the update.
    """

    item: SceneObject
    name: str
    tracker_id: str
    first_seen_ns: int
    last_seen_ns: int
    misses: int = 0
    keyframes: tuple[Keyframe, ...] = ()

    @property
    def id(self) -> int:
        """The id in the map; positive, never used twice."""
        return self.item.id

    def moved(self, motion: np.ndarray) -> TrackedObject:
        """Return the object and its keyframes after a (4, 4) rigid motion [m]."""
        item = replace(self.item, frame_from_object=motion @ self.item.frame_from_object)
        return replace(self, item=item, keyframes=tuple(k.moved(motion) for k in self.keyframes))


@dataclass(frozen=True)
class RemovedObject:
    """An object that left the map."""

    id: int
    name: str


@dataclass(frozen=True)
class SceneUpdate:
    """The object map after one completed frame.

    Attributes:
        stamp_ns: stamp of the frame [ns]; every output carries it.
        frame_id: frame of all poses.
        camera_frame: the camera's optical frame.
        objects: the whole map, ascending by id.
        seen: ids of the objects that this frame shows.
        removed: objects that left the map since the previous update.
        skipped: instances of the frame that could not be completed.
        scene: the objects that the frame shows, completed; ids are those of the map, frame_id as
            above.
        observation: the input of the completion; `instance_ids` are ids of the map (an instance
            without an object has an id that no object has).
        relations: edges between ids of the map, with their evidence in frame_id; 0 is the
            environment.
        first: whether this is the first update, or the first since the map was reset.
    """

    stamp_ns: int
    frame_id: str
    camera_frame: str
    objects: tuple[TrackedObject, ...]
    seen: frozenset[int]
    removed: tuple[RemovedObject, ...]
    skipped: tuple[SkippedObject, ...]
    scene: Scene
    observation: Observation
    relations: tuple[Relation, ...] = ()
    first: bool = False

    @cached_property
    def map_scene(self) -> Scene:
        """The whole map as a scene, objects out of view included."""
        objects = tuple(tracked.item for tracked in self.objects)
        return replace(self.scene, objects=objects, relations=self.relations)

    @property
    def graph(self) -> SceneGraph:
        """The scene graph of the whole map, for queries such as `graph.removal_order(id)`."""
        return self.map_scene.graph
