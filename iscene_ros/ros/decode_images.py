"""Colour and depth images: messages to arrays; nothing keeps the message's memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from iscene_ros.ros.decode_header import decode_header
from iscene_ros.ros.pixels import PixelFormat, read_pixels
from iscene_ros.session.inputs import ColorImage, DepthImage

COLOR_FORMATS = {
    "rgb8": PixelFormat("u1", 3),
    "bgr8": PixelFormat("u1", 3),
    "rgba8": PixelFormat("u1", 4),
    "bgra8": PixelFormat("u1", 4),
    "mono8": PixelFormat("u1"),
}
DEPTH_FORMATS = {
    "32FC1": PixelFormat("f4"),
    "16UC1": PixelFormat("u2"),
    "mono16": PixelFormat("u2"),
}
_COLOR_ADVICE = {
    "8UC1": "8UC1 does not say what a channel means: set the encoding to mono8",
    "8UC3": "8UC3 does not say the order of the channels: set the encoding to rgb8 or bgr8",
    "8UC4": "8UC4 does not say the order of the channels: set the encoding to rgba8 or bgra8",
}
_CONVERT = "convert it (image_proc) or remap rgb to another topic of the camera"
_DEPTH_ADVICE = "remap depth to the depth image that is registered to rgb"


def decode_color(message: Any, topic: str = "rgb") -> ColorImage:
    """The colour image of a sensor_msgs/msg/Image: rgb8, bgr8, rgba8, bgra8 or mono8.

    Raises:
        RejectedInputError: STAMP, FRAME, ENCODING, SIZE or EMPTY.
    """
    stamp_ns, frame_id = decode_header(message.header, topic)
    advice = _COLOR_ADVICE.get(message.encoding, _CONVERT)
    pixels = read_pixels(message, topic, COLOR_FORMATS, advice)
    return ColorImage(stamp_ns, frame_id, _rgb(pixels, message.encoding))


def decode_depth(message: Any, depth_unit: float, topic: str = "depth") -> DepthImage:
    """The depth image of a sensor_msgs/msg/Image: 32FC1 [m], or 16UC1 or mono16 in steps.

    Args:
        message: the image; its frame is the camera's optical one.
        depth_unit: metres of one step of a 16-bit image [m].
        topic: what rejections call the input.

    Raises:
        RejectedInputError: STAMP, FRAME, ENCODING, SIZE or EMPTY.
    """
    stamp_ns, frame_id = decode_header(message.header, topic, needs_frame=True)
    pixels = read_pixels(message, topic, DEPTH_FORMATS, _DEPTH_ADVICE)
    if pixels.dtype.kind == "u":
        depth = np.multiply(pixels, np.float32(depth_unit), dtype=np.float32)
    else:
        depth = pixels.astype(np.float32)
    return DepthImage(stamp_ns, frame_id, depth)


def _rgb(pixels: np.ndarray, encoding: str) -> np.ndarray:
    if encoding == "mono8":
        return np.repeat(pixels[..., None], 3, axis=-1)
    red_first = pixels[..., :3] if encoding.startswith("rgb") else pixels[..., 2::-1]
    return np.array(red_first, order="C")
