"""The pixels of a sensor_msgs/msg/Image as an array: encoding, byte order and row padding."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import Any

import numpy as np

from iscene_ros.ros.decode_header import shown
from iscene_ros.session.rejection import RejectedInputError, RejectReason

# Far above any camera; a larger size is a broken message that would fill the memory.
MOST_PIXELS = 64_000_000


def read_pixels(message: Any, formats: Mapping[str, str], advice: str) -> np.ndarray:
    """Return the pixels of an image message, without the padding that rows may end with.

    Args:
        message: sensor_msgs/msg/Image.
        formats: by supported encoding, a pixel as numpy writes it: "u1", "u2", "i4", "f4"; "3u1".
        advice: advice for another encoding.

    Returns:
        (H, W) or (H, W, C), in the byte order of the message; a view of its memory.

    Raises:
        RejectedInputError: ENCODING, SIZE or EMPTY.
    """
    if message.encoding not in formats:
        raise RejectedInputError(
            RejectReason.ENCODING,
            f"encoding {shown(message.encoding)}, expected {', '.join(formats)}; {advice}",
        )
    pixel = np.dtype(formats[message.encoding])
    order = ">" if message.is_bigendian else "<"
    height, width = checked_size(message.height, message.width)
    row_bytes, step = width * pixel.itemsize, index(message.step)
    if step < row_bytes:
        raise RejectedInputError(
            RejectReason.SIZE,
            f"step of {shown(step)} bytes, expected at least {row_bytes} for {message.width} "
            f"pixels of {message.encoding}; check step, width and encoding",
        )
    if not len(message.data):
        raise RejectedInputError(
            RejectReason.EMPTY, "no data, expected the pixels of the image; check the driver"
        )
    data = np.frombuffer(message.data, np.uint8)
    if len(data) < step * height:
        raise RejectedInputError(
            RejectReason.SIZE,
            f"{len(data)} bytes of data, expected {shown(step * height)} (step {step} x height "
            f"{height}); the message is cut off or its size is wrong",
        )
    rows = data[: step * height].reshape(height, step)[:, :row_bytes]
    values = rows.view(pixel.base.newbyteorder(order))
    return values.reshape(height, width, *pixel.shape)


def checked_size(height: Any, width: Any) -> tuple[int, int]:
    """Return height and width of an image.

    Raises:
        RejectedInputError: EMPTY or SIZE.
    """
    height, width = index(height), index(width)
    if height == 0 or width == 0:
        raise RejectedInputError(
            RejectReason.EMPTY,
            f"{width} x {height} pixels, expected an image; check the driver",
        )
    if height < 0 or width < 0 or height * width > MOST_PIXELS:
        raise RejectedInputError(
            RejectReason.SIZE,
            f"{shown(width)} x {shown(height)} pixels, expected at most {MOST_PIXELS} in all; the "
            "message is broken: check width and height",
        )
    return height, width
