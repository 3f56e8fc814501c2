"""What has to be told to a planner that knows an earlier scene."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.core.scene import Mesh, Scene, SceneObject

# Poses closer than this are the same pose.
SAME_PLACE_M = 5e-4
SAME_ANGLE_RAD = 2e-3


class Operation(str, Enum):
    """What to do with an object in a planning scene."""

    ADD = "add"  # new, or its shape has changed: replaces what has its id
    MOVE = "move"  # same shape, another pose
    REMOVE = "remove"


@dataclass(frozen=True)
class Change:
    """One object that is not as it was; its id is never empty, 0 never occurs."""

    id: int
    operation: Operation


def scene_changes(
    before: Scene | None, after: Scene, attached: Collection[int] = ()
) -> tuple[Change, ...]:
    """Changes that turn an earlier scene into a later one, removals first.

    Args:
        before: what the planner knows; None = nothing.
        after: what it should know.
        attached: ids that are attached to a robot; they are left alone.
    """
    known = {} if before is None else {item.id: item for item in before.objects}
    wanted = {item.id: item for item in after.objects}
    changes = [Change(i, Operation.REMOVE) for i in known if i not in wanted]
    if before is not None and before.frame_id != after.frame_id:
        known = {}
    for object_id, item in wanted.items():
        old = known.get(object_id)
        if old is None or not same_mesh(old.mesh, item.mesh):
            changes.append(Change(object_id, Operation.ADD))
        elif not _same_pose(old, item):
            changes.append(Change(object_id, Operation.MOVE))
    return tuple(change for change in changes if change.id not in attached)


def same_mesh(one: Mesh, other: Mesh) -> bool:
    """Whether two meshes have the same vertices and faces."""
    return np.array_equal(one.faces, other.faces) and np.array_equal(one.vertices, other.vertices)


def _same_pose(one: SceneObject, other: SceneObject) -> bool:
    between = np.linalg.inv(one.frame_from_object) @ other.frame_from_object
    angle = Rotation.from_matrix(between[:3, :3]).magnitude()
    return bool(np.linalg.norm(between[:3, 3]) <= SAME_PLACE_M and angle <= SAME_ANGLE_RAD)
