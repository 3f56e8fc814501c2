"""Pictures as sensor_msgs/Image."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.ros.messages import MessageTypes
from iscene_ros.viz.overlay import draw_overlay

IMAGE_TYPE = "sensor_msgs/msg/Image"


def encode_overlay(types: MessageTypes, update: SceneUpdate) -> Any:
    """A sensor_msgs/Image (rgb8) of `draw_overlay`, in the camera's optical frame."""
    return encode_rgb(types, update.stamp_ns, update.camera_frame, draw_overlay(update))


def encode_rgb(types: MessageTypes, stamp_ns: int, frame_id: str, picture: np.ndarray) -> Any:
    """A sensor_msgs/Image (rgb8).

    Args:
        types: whose messages.
        stamp_ns: [ns].
        frame_id: of the camera.
        picture: (H, W, 3) uint8.
    """
    height, width, channels = picture.shape
    return types.make(
        IMAGE_TYPE,
        header=types.header(stamp_ns, frame_id),
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=int(sys.byteorder == "big"),
        step=channels * width,
        data=types.byte_array(picture),
    )
