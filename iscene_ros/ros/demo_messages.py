"""The demo frame as the messages of a robot, for the replay node and for bags."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from iscene_ros.io.demo_frame import DemoFrame, demo_frame
from iscene_ros.ros.common_messages import (
    IMAGE_TYPE,
    encode_image,
    encode_pose,
    encode_transform,
)
from iscene_ros.ros.encode_objects import TRANSFORMS_TYPE
from iscene_ros.ros.messages import MessageTypes

WORLD_FRAME, LINK_FRAME = "map", "camera_link"
OPTICAL_FRAME = "camera_color_optical_frame"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
DETECTIONS = "vision_msgs/msg/Detection2DArray"
# REP 103: a link's x points forward, y left, z up; an optical frame's x right, y down, z forward.
LINK_FROM_OPTICAL = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64)


class DemoMessage(NamedTuple):
    """One message to publish.

    Attributes:
        topic: relative name, or /tf and /tf_static.
        type_name: as "sensor_msgs/msg/Image".
        message: made by the given types.
        latched: for late subscribers, too; enough to publish once.
    """

    topic: str
    type_name: str
    message: Any
    latched: bool


def demo_messages(types: MessageTypes, stamp_ns: int) -> list[DemoMessage]:
    """Return all messages of the demo frame; see `frame_messages`."""
    return frame_messages(types, demo_frame(), stamp_ns)


def frame_messages(types: MessageTypes, frame: DemoFrame, stamp_ns: int) -> list[DemoMessage]:
    """Return all messages of one frame with colours in the order in which a robot would send them.

    /tf_static camera_link -> camera_color_optical_frame; /tf map -> camera_link; camera_info; rgb
    (rgb8); depth (32FC1, NaN = no reading); instances (mono8); detections (vision_msgs, with class,
    score and tracker id). The camera stands still.

    Raises:
        LookupError: a message type is not installed.
    """
    observation = frame.observation
    header = types.header(stamp_ns, OPTICAL_FRAME)
    depth = np.where(observation.depth > 0, observation.depth, np.float32(np.nan))
    world_from_link = frame.world_from_camera @ np.linalg.inv(LINK_FROM_OPTICAL)
    mount = _transform(types, stamp_ns, LINK_FRAME, OPTICAL_FRAME, LINK_FROM_OPTICAL)
    pose = _transform(types, stamp_ns, WORLD_FRAME, LINK_FRAME, world_from_link)
    return [
        DemoMessage("/tf_static", TRANSFORMS_TYPE, mount, True),
        DemoMessage("/tf", TRANSFORMS_TYPE, pose, False),
        DemoMessage("camera_info", CAMERA_INFO, _camera_info(types, header, frame), False),
        DemoMessage("rgb", IMAGE_TYPE, encode_image(types, header, observation.rgb, "rgb8"), False),
        DemoMessage("depth", IMAGE_TYPE, encode_image(types, header, depth, "32FC1"), False),
        DemoMessage(
            "instances", IMAGE_TYPE, encode_image(types, header, frame.labels_image, "mono8"), False
        ),
        DemoMessage("detections", DETECTIONS, _detections(types, header, frame), False),
    ]


def _camera_info(types: MessageTypes, header: Any, frame: DemoFrame) -> Any:
    camera = frame.observation.camera
    return types.make(
        CAMERA_INFO,
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=types.doubles(camera.d),
        k=camera.k.ravel(),
        r=np.eye(3).ravel(),
        p=np.column_stack([camera.k, np.zeros(3)]).ravel(),
    )


def _detections(types: MessageTypes, header: Any, frame: DemoFrame) -> Any:
    labels, scores = frame.observation.labels, frame.observation.scores
    detections = [
        _detection(types, header, number, frame.labels_image == number, label, score)
        for number, (label, score) in enumerate(zip(labels, scores, strict=True), start=1)
    ]
    return types.make(DETECTIONS, header=header, detections=detections)


def _detection(
    types: MessageTypes, header: Any, number: int, mask: np.ndarray, label: str, score: float
) -> Any:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    low = np.array([columns[0], rows[0]], np.float64)
    size = np.array([columns[-1], rows[-1]]) - low + 1
    x, y = (low + size / 2).tolist()
    center = types.make(
        "vision_msgs/msg/Pose2D", position=types.make("vision_msgs/msg/Point2D", x=x, y=y)
    )
    result = types.make(
        "vision_msgs/msg/ObjectHypothesisWithPose",
        hypothesis=types.make("vision_msgs/msg/ObjectHypothesis", class_id=label, score=score),
        pose=types.make("geometry_msgs/msg/PoseWithCovariance", pose=encode_pose(types, np.eye(4))),
    )
    return types.make(
        "vision_msgs/msg/Detection2D",
        header=header,
        results=[result],
        bbox=types.make(
            "vision_msgs/msg/BoundingBox2D",
            center=center,
            size_x=float(size[0]),
            size_y=float(size[1]),
        ),
        id=str(number),
    )


def _transform(
    types: MessageTypes, stamp_ns: int, parent: str, child: str, parent_from_child: np.ndarray
) -> Any:
    header = types.header(stamp_ns, parent)
    stamped = encode_transform(types, header, child, parent_from_child)
    return types.make(TRANSFORMS_TYPE, transforms=[stamped])
