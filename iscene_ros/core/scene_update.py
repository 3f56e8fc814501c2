"""What a session gives out, decoded: the objects of the world and what changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Relation, Scene, SceneObject, SkippedObject

if TYPE_CHECKING:
    from iscene_ros.core.scene_graph import SceneGraph


@dataclass(frozen=True)
class TrackedObject:
    """An object of the world, kept from frame to frame.

    Attributes:
        item: its newest completion; `item.id` is the id of the world, `item.frame_from_object` its
            pose in the frame of the update.
        name: TF frame, Detection3D id, marker namespace and collision object in one.
        tracker_id: what the tracker calls it; "" where there is none.
        first_seen_ns, last_seen_ns: stamps of the frames that showed it [ns].
        misses: frames in a row that should have shown it and did not.
    """

    item: SceneObject
    name: str
    tracker_id: str
    first_seen_ns: int
    last_seen_ns: int
    misses: int = 0

    @property
    def id(self) -> int:
        """The id in the world; positive, never used twice."""
        return self.item.id


@dataclass(frozen=True)
class RemovedObject:
    """An object that left the world."""

    id: int
    name: str


@dataclass(frozen=True)
class SceneUpdate:
    """The world after one completed frame.

    Attributes:
        stamp_ns: of the frame [ns]; every output carries it.
        frame_id: frame of all poses.
        camera_frame: the camera's optical frame.
        objects: the whole world, ascending by id.
        seen: ids of the objects that this frame completed.
        removed: objects that the world forgot since the update before.
        skipped: instances of the frame that could not be completed.
        scene: the frame's completion; ids are those of the world, frame_id as above.
        observation: what it was completed from; `instance_ids` are the ids of the world (an
            instance without an object has an id that no object has).
        relations: edges between ids of the world, with their evidence in frame_id; 0 is the
            environment.
        first: nothing was published before, or the world was emptied since.
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
    def world(self) -> Scene:
        """The whole world as a scene, objects out of view included."""
        objects = tuple(known.item for known in self.objects)
        return replace(self.scene, objects=objects, relations=self.relations)

    @property
    def graph(self) -> SceneGraph:
        """The graph of the whole world, to ask: `update.graph.removal_order(id)`."""
        return self.world.graph


@dataclass(frozen=True)
class SurfaceCloud:
    """Points on the completed surfaces.

    Attributes:
        points: (N, 3) float32 in the frame of the update [m].
        object_ids: (N,) uint32.
        observed: (N,) uint8; 1 = the camera saw it, 0 = completed.
        colors: (N, 3) uint8 RGB.
    """

    points: np.ndarray
    object_ids: np.ndarray
    observed: np.ndarray
    colors: np.ndarray


@dataclass(frozen=True)
class Status:
    """How a session is doing; what /diagnostics shows.

    Attributes:
        level: "ok", "warn" or "error".
        summary: one line.
        values: names and values, in order.
    """

    level: str
    summary: str
    values: tuple[tuple[str, str], ...] = field(default=())
