"""What MoveIt does with diffs of its planning scene, as far as world objects go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.ros.encode_planning_scene import ADD, MOVE, REMOVE


@dataclass
class PlanningSceneModel:
    """Objects by id.

    Attributes:
        world: messages that added them, with their newest pose.
        attached: ids that the robot holds; they are not part of the world.
        colors: by id.
        operations: all that came, as (id, operation).
    """

    world: dict[str, Any] = field(default_factory=dict)
    attached: set[str] = field(default_factory=set)
    colors: dict[str, Any] = field(default_factory=dict)
    operations: list[tuple[str, int]] = field(default_factory=list)

    def apply(self, scene: Any) -> bool:
        """Take a diff; False where a part of it is rejected, the rest of it takes effect."""
        # A state that is not a diff would detach all objects.
        assert scene.is_diff and scene.robot_state.is_diff
        done = [self._apply(item) for item in scene.world.collision_objects]
        self.colors |= {one.id: one.color for one in scene.object_colors}
        return all(done)

    def _apply(self, item: Any) -> bool:
        raw = item.operation
        operation = raw[0] if isinstance(raw, bytes) else int(raw)
        self.operations.append((item.id, operation))
        assert item.id, "would clear everything"
        assert item.id not in self.attached, "would take it from the hand"
        if operation == REMOVE:
            return self.world.pop(item.id, None) is not None
        if operation == MOVE:
            assert not item.meshes and not item.primitives
            if item.id not in self.world:
                return False
            self.world[item.id].pose = item.pose
            return True
        assert operation == ADD and (item.meshes or item.primitives)
        assert len(item.meshes) == len(item.mesh_poses)
        assert len(item.primitives) == len(item.primitive_poses)
        assert len(item.subframe_names) == len(item.subframe_poses)
        self.world[item.id] = item
        return True

    def hold(self, name: str) -> None:
        """The robot grasps an object of the world."""
        del self.world[name]
        self.attached.add(name)

    def put_down(self, name: str, item: Any) -> None:
        """The robot lets go; the object is part of the world again."""
        self.attached.remove(name)
        self.world[name] = item


def transform_of(pose: Any) -> np.ndarray:
    """(4, 4) of a geometry_msgs/Pose."""
    made, q, p = np.eye(4), pose.orientation, pose.position
    made[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    made[:3, 3] = p.x, p.y, p.z
    return made


def corners_of(item: Any) -> np.ndarray:
    """(N, 3) vertices of all meshes of a collision object, in the frame of its header [m]."""
    pose = transform_of(item.pose)
    points = [
        np.array([[v.x, v.y, v.z] for v in mesh.vertices]) @ (pose @ transform_of(at))[:3, :3].T
        + (pose @ transform_of(at))[:3, 3]
        for mesh, at in zip(item.meshes, item.mesh_poses, strict=True)
    ]
    return np.concatenate(points)
