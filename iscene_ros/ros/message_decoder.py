"""Decoding of the messages of all input topics; malformed ones are rejected."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from iscene_ros.ros.compressed_images import (
    decode_compressed_depth,
    decode_compressed_instances,
)
from iscene_ros.ros.decode_camera_info import decode_camera_info
from iscene_ros.ros.decode_detections import decode_detections, decode_yolo_detections
from iscene_ros.ros.decode_header import MALFORMED_ERRORS
from iscene_ros.ros.decode_images import decode_color, decode_compressed_color, decode_depth
from iscene_ros.ros.decode_instances import decode_instances
from iscene_ros.ros.decode_poses import decode_odometry, decode_pose, decode_transform
from iscene_ros.ros.topics import TRANSFORM_KEYS, input_type
from iscene_ros.session.inputs import Input, TransformSample
from iscene_ros.session.rejection import RejectedInputError, RejectReason
from iscene_ros.session.settings import Settings

_MOST_CHARACTERS = 200

T = TypeVar("T")


class MessageDecoder:
    """Decodes messages of rclpy or rosbags.

    The settings may be replaced at any time. `reject` is called with reason and error line of every
    message, or transform of a message, that cannot be used.
    """

    def __init__(self, settings: Settings, reject: Callable[[RejectReason, str], None]) -> None:
        self.settings = settings
        self._reject = reject

    def decode(self, topic_key: str, message: Any) -> list[Input | TransformSample]:
        """Return the inputs in a message of one of `topics.INPUT_KEYS`.

        It is one, none if it is rejected, any number of transforms. Invalid content never raises.
        """
        if input_type(topic_key, self.settings) is None:
            line = f"{topic_key}: the settings do not use this topic; set detections or pose_source"
            self._reject(RejectReason.MALFORMED, line)
            return []
        messages = [message]
        if topic_key in TRANSFORM_KEYS:
            messages = self._attempt(topic_key, lambda m: list(m.transforms), message) or []
        decoder = self._decoder(topic_key)
        decoded = (self._attempt(topic_key, decoder, part) for part in messages)
        return [made for made in decoded if made is not None]

    def _attempt(self, topic_key: str, step: Callable[[Any], T], message: Any) -> T | None:
        """Return the result of a step; None after a rejection."""
        try:
            return step(message)
        except RejectedInputError as error:
            self._reject(error.reason, f"{topic_key}: {error}")
        except MALFORMED_ERRORS as error:
            start = str(error)[:_MOST_CHARACTERS]
            printable = "".join(c if c.isprintable() else " " for c in start)
            line = " ".join(printable.split())
            self._reject(
                RejectReason.MALFORMED,
                f"{topic_key}: {type(error).__name__} ({line}), expected a valid "
                f"{input_type(topic_key, self.settings)}; check what publishes it",
            )
        return None

    def _decoder(self, topic_key: str) -> Callable[[Any], Input | TransformSample]:
        settings = self.settings
        if topic_key in TRANSFORM_KEYS:
            return partial(decode_transform, static=topic_key == "tf_static")
        if topic_key == "detections":
            yolo = settings.detections == "yolo_msgs"
            decode = decode_yolo_detections if yolo else decode_detections
            return partial(
                decode,
                class_names=settings.class_names,
                reject=lambda reason, line: self._reject(reason, f"detections: {line}"),
            )
        if topic_key == "camera_pose":
            return decode_odometry if settings.pose_source == "odometry" else decode_pose
        depth = {
            "depth_unit": settings.depth_unit,
            "needs_frame": not settings.camera_frame,
        }
        return {
            "rgb": decode_color,
            "rgb_compressed": decode_compressed_color,
            "depth": partial(decode_depth, **depth),
            "depth_compressed": partial(decode_compressed_depth, **depth),
            "camera_info": partial(decode_camera_info, rectified=settings.rectified),
            "instances": partial(decode_instances, encoding=settings.instance_encoding),
            "instances_compressed": partial(
                decode_compressed_instances, encoding=settings.instance_encoding
            ),
        }[topic_key]
