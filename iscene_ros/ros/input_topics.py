"""Which topics carry the inputs, by the settings."""

from __future__ import annotations

from dataclasses import dataclass

from iscene_ros.session.settings import Settings

_DETECTIONS = {
    "vision_msgs": "vision_msgs/msg/Detection2DArray",
    "yolo_msgs": "yolo_msgs/msg/DetectionArray",
}
_POSES = {
    "pose": "geometry_msgs/msg/PoseStamped",
    "odometry": "nav_msgs/msg/Odometry",
}


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


def input_topics(settings: Settings) -> tuple[InputTopic, ...]:
    """The inputs that the settings ask for."""
    image = "sensor_msgs/msg/Image"
    topics = [
        InputTopic("tf_static", "/tf_static", "tf2_msgs/msg/TFMessage"),
        InputTopic("tf", "/tf", "tf2_msgs/msg/TFMessage"),
        InputTopic(
            "camera_info",
            settings.topics_camera_info,
            "sensor_msgs/msg/CameraInfo",
            "topics.camera_info",
        ),
    ]
    if settings.use_rgb and settings.rgb_transport == "compressed":
        compressed = "sensor_msgs/msg/CompressedImage"
        name = f"{settings.topics_rgb}/compressed"
        topics.append(InputTopic("rgb_compressed", name, compressed, "topics.rgb"))
    elif settings.use_rgb:
        topics.append(InputTopic("rgb", settings.topics_rgb, image, "topics.rgb"))
    topics.append(InputTopic("depth", settings.topics_depth, image, "topics.depth"))
    if settings.masks_from == "instances":
        topics.append(InputTopic("instances", settings.topics_instances, image, "topics.instances"))
    if settings.detections != "none":
        kind = _DETECTIONS[settings.detections]
        topics.append(
            InputTopic("detections", settings.topics_detections, kind, "topics.detections")
        )
    if settings.pose_source != "tf":
        kind = _POSES[settings.pose_source]
        topics.append(
            InputTopic("camera_pose", settings.topics_camera_pose, kind, "topics.camera_pose")
        )
    return tuple(topics)
