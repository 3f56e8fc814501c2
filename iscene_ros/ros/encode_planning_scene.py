"""Changes of the object map as a diff of moveit_msgs/PlanningScene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from iscene_ros.core.colors import ENVIRONMENT_COLOR
from iscene_ros.core.scene import Mesh
from iscene_ros.planning.collision_bodies import CollisionBody
from iscene_ros.planning.planning_scene_tracker import Difference
from iscene_ros.ros.common_messages import encode_color, encode_pose, vector_values
from iscene_ros.ros.messages import MessageTypes

PLANNING_SCENE_TYPE = "moveit_msgs/msg/PlanningScene"
COLLISION_OBJECT_TYPE = "moveit_msgs/msg/CollisionObject"
OBJECT_TYPE = "object_recognition_msgs/msg/ObjectType"
# moveit_msgs/CollisionObject: operations. shape_msgs/SolidPrimitive: type.
ADD, REMOVE, MOVE = 0, 1, 3
BOX = 1


def encode_planning_scene(types: MessageTypes, difference: Difference, owner: str = "") -> Any:
    """Return a moveit_msgs/PlanningScene with is_diff that removes, adds and moves objects.

    One CollisionObject an object: its id is the object's name, its pose that of the object, the
    meshes and subframes lie in the object's frame. MOVE brings only the pose. The support is one
    object of boxes, the environment one of a mesh. Everything else stays unchanged, in particular
    the state of the robot and the objects attached to it. `type.db` keeps `owner`, a mark by which
    a later run recognises the objects.

    Raises:
        LookupError: moveit_msgs is not installed.
    """
    scene = difference.scene
    header = types.header(scene.stamp_ns, scene.frame_id)
    objects = [_object(types, header, name, REMOVE) for name in difference.removed]
    objects += [_added(types, header, name, body, owner) for name, body in difference.added]
    identity = encode_pose(types, np.eye(4))
    if difference.supports:
        objects.append(
            _object(
                types,
                header,
                scene.support_name,
                ADD,
                type=types.make(OBJECT_TYPE, key="support", db=owner),
                primitives=[
                    types.make(
                        "shape_msgs/msg/SolidPrimitive",
                        type=BOX,
                        dimensions=types.doubles(support.size),
                    )
                    for support in difference.supports
                ],
                primitive_poses=[encode_pose(types, s.frame_from_box) for s in difference.supports],
            )
        )
    if difference.environment is not None:
        objects.append(
            _object(
                types,
                header,
                scene.environment_name,
                ADD,
                type=types.make(OBJECT_TYPE, key="environment", db=owner),
                meshes=[_mesh(types, difference.environment)],
                mesh_poses=[identity],
            )
        )
    objects += [
        _object(types, header, name, MOVE, pose=encode_pose(types, body.frame_from_object))
        for name, body in difference.moved
    ]
    return _diff(types, objects, _colors(types, difference))


def encode_removal(types: MessageTypes, names: Sequence[str]) -> Any:
    """Return a moveit_msgs/PlanningScene with is_diff that removes objects."""
    header = types.header(0, "")
    return _diff(types, [_object(types, header, name, REMOVE) for name in names], [])


def _diff(types: MessageTypes, objects: list[Any], colors: list[Any]) -> Any:
    world = types.make(
        "moveit_msgs/msg/PlanningSceneWorld",
        collision_objects=objects,
        octomap=types.make(
            "octomap_msgs/msg/OctomapWithPose", origin=encode_pose(types, np.eye(4))
        ),
    )
    return types.make(
        PLANNING_SCENE_TYPE,
        object_colors=colors,
        world=world,
        # A state that is no diff would say that nothing is attached.
        robot_state=types.make("moveit_msgs/msg/RobotState", is_diff=True),
        is_diff=True,
    )


def _object(types: MessageTypes, header: Any, name: str, operation: int, **values: Any) -> Any:
    if not name:
        raise ValueError("a collision object without id would stand for all objects")
    number = types.byte(operation)
    values.setdefault("pose", encode_pose(types, np.eye(4)))
    return types.make(COLLISION_OBJECT_TYPE, header=header, id=name, operation=number, **values)


def _added(types: MessageTypes, header: Any, name: str, body: CollisionBody, owner: str) -> Any:
    identity = encode_pose(types, np.eye(4))
    return _object(
        types,
        header,
        name,
        ADD,
        pose=encode_pose(types, body.frame_from_object),
        type=types.make(OBJECT_TYPE, key=body.label, db=owner),
        meshes=[_mesh(types, piece) for piece in body.pieces],
        mesh_poses=[identity for _ in body.pieces],
        subframe_names=[frame.name for frame in body.subframes],
        subframe_poses=[encode_pose(types, frame.object_from_subframe) for frame in body.subframes],
    )


def _mesh(types: MessageTypes, mesh: Mesh) -> Any:
    triangles = [
        types.make("shape_msgs/msg/MeshTriangle", vertex_indices=corners)
        for corners in mesh.faces.astype(np.uint32)
    ]
    points = [
        types.make("geometry_msgs/msg/Point", **vector_values(vertex)) for vertex in mesh.vertices
    ]
    return types.make("shape_msgs/msg/Mesh", triangles=triangles, vertices=points)


def _colors(types: MessageTypes, difference: Difference) -> list[Any]:
    colors = [(name, body.color) for name, body in difference.added]
    if difference.supports:
        colors.append((difference.scene.support_name, ENVIRONMENT_COLOR))
    if difference.environment is not None:
        colors.append((difference.scene.environment_name, ENVIRONMENT_COLOR))
    return [
        types.make("moveit_msgs/msg/ObjectColor", id=name, color=encode_color(types, color, 1.0))
        for name, color in colors
    ]
