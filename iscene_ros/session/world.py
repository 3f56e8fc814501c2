"""A world: what a session knows, so that another session can go on from it."""

from __future__ import annotations

from dataclasses import dataclass

from iscene_ros.core.scene_update import TrackedObject
from iscene_ros.geometry.environment_volume import VoxelBlocks


@dataclass(frozen=True)
class World:
    """The object map and the surroundings of a session.

    Attributes:
        frame_id: frame of all poses and of the surroundings.
        stamp_ns: stamp of the newest frame [ns].
        next_id: id of the next new object; ids are never used twice.
        objects: the tracked objects, ascending by id.
        environment: the fused surroundings; None where there are none.
    """

    frame_id: str
    stamp_ns: int
    next_id: int
    objects: tuple[TrackedObject, ...]
    environment: VoxelBlocks | None = None
