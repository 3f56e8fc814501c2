"""The objects of the map as vision_msgs/Detection3DArray and as TF frames."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from iscene_ros.core.scene_update import SceneUpdate, TrackedObject
from iscene_ros.ros.common_messages import encode_pose, encode_transform, encode_vector
from iscene_ros.ros.messages import MessageTypes

DETECTIONS_TYPE = "vision_msgs/msg/Detection3DArray"
TRANSFORMS_TYPE = "tf2_msgs/msg/TFMessage"
# Where x, y and z lie on the diagonal of the row-major 6 x 6 covariance.
_POSITION_VARIANCES = (0, 7, 14)


def encode_detections3d(types: MessageTypes, update: SceneUpdate) -> Any:
    """Return a vision_msgs/Detection3DArray with one Detection3D an object of the map.

    `id` is the object's name, which is also its TF frame. The one hypothesis has the label as
    class_id and the score of the 2D detection, that is of the class, as score; its pose is the
    mesh's origin. Its covariance has the squared depth residual as variance of x, y and z; 0
    where it is unknown, and for the rotation.
    """
    header = types.header(update.stamp_ns, update.frame_id)
    detections = [_detection(types, header, tracked) for tracked in update.objects]
    return types.make(DETECTIONS_TYPE, header=header, detections=detections)


def encode_transforms(types: MessageTypes, update: SceneUpdate) -> Any:
    """Return a tf2_msgs/TFMessage with every object's frame, a child of the update's frame."""
    header = types.header(update.stamp_ns, update.frame_id)
    transforms = [
        encode_transform(types, header, tracked.name, tracked.item.frame_from_object)
        for tracked in update.objects
    ]
    return types.make(TRANSFORMS_TYPE, transforms=transforms)


def _detection(types: MessageTypes, header: Any, tracked: TrackedObject) -> Any:
    item = tracked.item
    covariance = np.zeros(36)
    if math.isfinite(item.depth_residual):
        covariance[list(_POSITION_VARIANCES)] = item.depth_residual**2
    # The mesh's origin is the centre of its box, so one pose serves both.
    pose = encode_pose(types, item.frame_from_object)
    hypothesis = types.make(
        "vision_msgs/msg/ObjectHypothesis", class_id=item.label, score=float(item.score)
    )
    result = types.make(
        "vision_msgs/msg/ObjectHypothesisWithPose",
        hypothesis=hypothesis,
        pose=types.make(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=pose,
            covariance=covariance,
        ),
    )
    box = types.make(
        "vision_msgs/msg/BoundingBox3D", center=pose, size=encode_vector(types, item.size)
    )
    return types.make(
        "vision_msgs/msg/Detection3D", header=header, results=[result], bbox=box, id=tracked.name
    )
