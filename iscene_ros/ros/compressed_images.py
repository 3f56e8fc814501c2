"""Decoding of compressed depth and label images: what must stay exact, so PNG alone."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from iscene_ros.ros.decode_header import decode_header, shown
from iscene_ros.ros.decode_images import metres, opened
from iscene_ros.ros.decode_instances import instance_image
from iscene_ros.session.inputs import DepthImage, InstanceImage
from iscene_ros.session.rejection import RejectedInputError, RejectReason

_PNG = b"\x89PNG\r\n\x1a\n"
# compressed_depth_image_transport puts an int32 and the two float32 of its quantisation first.
_QUANTISATION = struct.Struct("<iff")
_MODES = ("L", "I;16", "I;16B", "I;16L", "I")
_ADVICE = "publish it raw, or as compressedDepth with png"


def decode_compressed_depth(
    message: Any, depth_unit: float, needs_frame: bool = True
) -> DepthImage:
    """Return the depth image of a sensor_msgs/msg/CompressedImage: compressedDepth or plain PNG.

    compressedDepth holds 16UC1 as it is, or 32FC1 [m] as quantised inverse depth; plain is 16UC1. A
    step is `depth_unit` [m].

    Raises:
        RejectedInputError: STAMP, FRAME, ENCODING (RVL, JPEG), SIZE, EMPTY or MALFORMED.
    """
    stamp_ns, frame_id = decode_header(message.header, needs_frame)
    file, quantisation = _png_of(message)
    steps = _pixels(file, message.format)
    if quantisation is None or not message.format.startswith("32FC1"):
        return DepthImage(stamp_ns, frame_id, metres(steps, depth_unit))
    a, b = quantisation
    with np.errstate(all="ignore"):
        depth = a / (steps.astype(np.float32) - b)
    return DepthImage(stamp_ns, frame_id, np.where(steps > 0, depth, 0).astype(np.float32))


def decode_compressed_instances(message: Any, encoding: str) -> InstanceImage:
    """Return the label image of a sensor_msgs/msg/CompressedImage that holds a PNG.

    Arguments and errors as of `decode_instances`; a PNG has at most 16 bits, so its pixels are ids.
    """
    stamp_ns, frame_id = decode_header(message.header)
    if encoding != "ids":
        raise RejectedInputError(
            RejectReason.ENCODING,
            f"a PNG cannot hold {encoding}, expected ids; publish a raw 32SC1 image",
        )
    file, _ = _png_of(message)
    return instance_image(stamp_ns, frame_id, _pixels(file, message.format).astype(np.int32))


def _png_of(message: Any) -> tuple[bytes, tuple[float, float] | None]:
    """Return the PNG file of a message, and the quantisation that stands before it."""
    data = np.frombuffer(message.data, np.uint8).tobytes()
    if not data:
        raise RejectedInputError(RejectReason.EMPTY, f"no data, expected a PNG; {_ADVICE}")
    if data.startswith(_PNG):
        return data, None
    if data[_QUANTISATION.size :].startswith(_PNG):
        _, a, b = _QUANTISATION.unpack_from(data)
        return data[_QUANTISATION.size :], (a, b)
    kind = "RVL" if "rvl" in message.format.lower() else "no PNG"
    raise RejectedInputError(
        RejectReason.ENCODING,
        f"{len(data)} bytes of format {shown(message.format)} are {kind}, expected a PNG, which "
        f"keeps every value; {_ADVICE}",
    )


def _pixels(file: bytes, text: str) -> np.ndarray:
    """Return the (H, W) whole numbers of a PNG file of one channel."""
    image = opened(file, text, ("PNG",))
    if image.mode not in _MODES:
        raise RejectedInputError(
            RejectReason.ENCODING,
            f"a PNG of mode {image.mode}, expected one channel of 8 or 16 bits; {_ADVICE}",
        )
    return np.array(image)
