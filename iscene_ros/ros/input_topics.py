"""Which topics carry the inputs, by the settings."""

from __future__ import annotations

from dataclasses import dataclass

from iscene_ros.session.settings import Settings

_TYPES = {
    "rgb": "sensor_msgs/msg/Image",
    "rgb_compressed": "sensor_msgs/msg/CompressedImage",
    "depth": "sensor_msgs/msg/Image",
    "camera_info": "sensor_msgs/msg/CameraInfo",
    "instances": "sensor_msgs/msg/Image",
    "tf": "tf2_msgs/msg/TFMessage",
    "tf_static": "tf2_msgs/msg/TFMessage",
}
_DETECTION_TYPES = {
    "vision_msgs": "vision_msgs/msg/Detection2DArray",
    "yolo_msgs": "yolo_msgs/msg/DetectionArray",
}
_POSE_TYPES = {"pose": "geometry_msgs/msg/PoseStamped", "odometry": "nav_msgs/msg/Odometry"}
TOPIC_KEYS = (*_TYPES, "detections", "camera_pose")


@dataclass(frozen=True)
class InputTopic:
    """One input.

    Attributes:
        key: what the intake calls it.
        name: of the topic, as the settings name it.
        type_name: of its messages.
        parameter: which names the topic; "" where it is fixed.
    """

    key: str
    name: str
    type_name: str
    parameter: str = ""


def message_type(topic_key: str, settings: Settings) -> str | None:
    """The type of a topic's messages; None where the settings do not use the topic.

    Raises:
        KeyError: no key of `TOPIC_KEYS`.
    """
    if topic_key == "detections":
        return _DETECTION_TYPES.get(settings.detections)
    if topic_key == "camera_pose":
        return _POSE_TYPES.get(settings.pose_source)
    return _TYPES[topic_key]


def input_topics(settings: Settings) -> tuple[InputTopic, ...]:
    """The inputs that the settings ask for."""
    names = {"tf_static": "/tf_static", "tf": "/tf", "camera_info": settings.topics_camera_info}
    if settings.use_rgb and settings.rgb_transport == "compressed":
        names["rgb_compressed"] = f"{settings.topics_rgb}/compressed"
    elif settings.use_rgb:
        names["rgb"] = settings.topics_rgb
    names["depth"] = settings.topics_depth
    if settings.masks_from == "instances":
        names["instances"] = settings.topics_instances
    if settings.detections != "none":
        names["detections"] = settings.topics_detections
    if settings.pose_source != "tf":
        names["camera_pose"] = settings.topics_camera_pose
    return tuple(
        InputTopic(key, name, message_type(key, settings), _parameter(key))
        for key, name in names.items()
    )


def _parameter(topic_key: str) -> str:
    if topic_key in ("tf", "tf_static"):
        return ""
    return f"topics.{topic_key.removesuffix('_compressed')}"
