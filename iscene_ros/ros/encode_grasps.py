"""Grasps as geometry_msgs/PoseArray, and as markers for RViz."""

from __future__ import annotations

from typing import Any

import numpy as np

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.planning.grasp_cache import PlannedGrasps
from iscene_ros.planning.grasps import Grasps
from iscene_ros.ros.common_messages import encode_color, encode_pose, encode_vector
from iscene_ros.ros.mesh_markers import ADD, DELETE_ALL, MARKERS_TYPE
from iscene_ros.ros.messages import MessageTypes

GRASPS_TYPE = "geometry_msgs/msg/PoseArray"
MARKER_TYPE = "visualization_msgs/msg/Marker"
# visualization_msgs/Marker: types.
CUBE, TEXT_VIEW_FACING = 1, 9
# Boxes of a gripper, and one text; height of its letters [m].
PARTS, LETTER_M = 4, 0.015
OPACITY = 0.7
# Colours of scores 0 and 1.
POOR, GOOD = np.array([200, 40, 30]), np.array([30, 160, 60])


def encode_grasp_poses(types: MessageTypes, update: SceneUpdate, planned: PlannedGrasps) -> Any:
    """Return a geometry_msgs/PoseArray of the target's grasps, the best first.

    x of a pose is the direction in which the fingers close, z the way in, its position lies
    between the middles of the pads. The array is empty where there is no target, or no grasp.
    """
    header = types.header(update.stamp_ns, update.frame_id)
    found = planned.grasps.get(planned.target)
    poses = [] if found is None else [encode_pose(types, p) for p in found.frame_from_grasp]
    return types.make(GRASPS_TYPE, header=header, poses=poses)


def encode_grasp_markers(types: MessageTypes, update: SceneUpdate, planned: PlannedGrasps) -> Any:
    """Return a visualization_msgs/MarkerArray with the best grasp of each object.

    Fingers and palm are boxes, red to green by the score, which stands beside them; the namespace
    is the object's name. Each message replaces all of the one before.
    """
    header = types.header(update.stamp_ns, update.frame_id)
    identity = encode_pose(types, np.eye(4))
    markers = [types.make(MARKER_TYPE, header=header, action=DELETE_ALL, pose=identity)]
    for tracked in update.objects:
        found = planned.grasps.get(tracked.id)
        if found is not None and len(found):
            markers += _gripper(types, header, tracked.name, PARTS * tracked.id, found)
    return types.make(MARKERS_TYPE, markers=markers)


def _gripper(types: MessageTypes, header: Any, name: str, first: int, found: Grasps) -> list[Any]:
    pose, score = found.frame_from_grasp[0], float(found.scores[0])
    color = encode_color(types, np.rint(POOR + score * (GOOD - POOR)), OPACITY)
    boxes = found.gripper.boxes(float(found.openings[0]))
    common = {"header": header, "ns": name, "action": ADD, "color": color}
    markers = []
    for number, (low, high) in enumerate(zip(boxes.low, boxes.high, strict=True)):
        middle = np.eye(4)
        middle[:3, 3] = 0.5 * (low + high)
        place = {"pose": encode_pose(types, pose @ middle)}
        size = {"scale": encode_vector(types, high - low)}
        markers.append(
            types.make(MARKER_TYPE, id=first + number, type=CUBE, **common, **place, **size)
        )
    above = pose.copy()
    above[:3, 3] -= (found.gripper.palm_depth + found.gripper.palm_size[2] + LETTER_M) * pose[:3, 2]
    text = types.make(
        MARKER_TYPE,
        id=first + PARTS - 1,
        type=TEXT_VIEW_FACING,
        pose=encode_pose(types, above),
        scale=encode_vector(types, np.array([0, 0, LETTER_M])),
        text=f"{score:.2f}",
        **common,
    )
    return [*markers, text]
