"""Decoding of raw and compressed colour images, and of depth images, to arrays of their own."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from iscene_ros.ros.decode_header import decode_header, shown
from iscene_ros.ros.pixels import checked_size, read_pixels
from iscene_ros.session.inputs import ColorImage, DepthImage
from iscene_ros.session.rejection import RejectedInputError, RejectReason

COLOR_FORMATS = {
    "rgb8": "3u1",
    "bgr8": "3u1",
    "rgba8": "4u1",
    "bgra8": "4u1",
    "mono8": "u1",
}
DEPTH_FORMATS = {"32FC1": "f4", "16UC1": "u2", "mono16": "u2"}
# 16-bit depth out of the range of the sensor.
SATURATED = 65535
_COLOR_ADVICE = {
    "8UC1": "8UC1 does not say what a channel means: set the encoding to mono8",
    "8UC3": "8UC3 does not say the order of the channels: set the encoding to rgb8 or bgr8",
    "8UC4": "8UC4 does not say the order of the channels: set the encoding to rgba8 or bgra8",
}
_MODES_8_BIT = {"L", "LA", "P", "RGB", "RGBA", "CMYK"}
_COLOR_PREFIXES = ("rgb", "bgr")
_CONVERT = "convert it (image_proc) or remap rgb to another topic of the camera"
_DEPTH_ADVICE = "remap depth to the depth image that is registered to rgb"


def decode_color(message: Any) -> ColorImage:
    """Return the colour image of a sensor_msgs/msg/Image: rgb8, bgr8, rgba8, bgra8 or mono8.

    Raises:
        RejectedInputError: STAMP, FRAME, ENCODING, SIZE or EMPTY.
    """
    stamp_ns, frame_id = decode_header(message.header)
    advice = _COLOR_ADVICE.get(message.encoding, _CONVERT)
    pixels = read_pixels(message, COLOR_FORMATS, advice)
    if message.encoding == "mono8":
        rgb = np.repeat(pixels[..., None], 3, axis=-1)
    else:
        is_red_first = message.encoding.startswith("rgb")
        rgb = np.array(pixels[..., :3] if is_red_first else pixels[..., 2::-1], order="C")
    return ColorImage(stamp_ns, frame_id, rgb)


def decode_compressed_color(message: Any) -> ColorImage:
    """Return the colour image of a sensor_msgs/msg/CompressedImage: JPEG or PNG, 8 bits a channel.

    Raises:
        RejectedInputError: STAMP, FRAME, ENCODING, SIZE or EMPTY; MALFORMED where the bytes are no
            complete image.
    """
    stamp_ns, frame_id = decode_header(message.header)
    if "compressedDepth" in message.format:
        raise RejectedInputError(
            RejectReason.ENCODING,
            f"format {shown(message.format)} is a depth image, expected colour as jpeg or png; "
            "remap rgb to the colour image",
        )
    if not len(message.data):
        raise RejectedInputError(
            RejectReason.EMPTY, "no data, expected a JPEG or PNG; check the driver"
        )
    data = np.frombuffer(message.data, np.uint8).tobytes()
    image = opened(data, message.format, ("JPEG", "PNG"))
    if image.mode not in _MODES_8_BIT:
        raise RejectedInputError(
            RejectReason.ENCODING,
            f"a {image.format} of mode {image.mode}, expected 8 bits a channel; publish an 8-bit "
            "image",
        )
    rgb = np.array(image.convert("RGB"))
    return ColorImage(
        stamp_ns, frame_id, rgb[..., ::-1].copy() if _swapped(message.format) else rgb
    )


def decode_depth(message: Any, depth_unit: float, needs_frame: bool = True) -> DepthImage:
    """Return the depth image of a sensor_msgs/msg/Image: 32FC1 [m], or 16UC1 or mono16 in steps.

    A step is `depth_unit` [m]; the frame is the camera's optical one.

    Raises:
        RejectedInputError: STAMP, FRAME, ENCODING, SIZE or EMPTY.
    """
    stamp_ns, frame_id = decode_header(message.header, needs_frame)
    pixels = read_pixels(message, DEPTH_FORMATS, _DEPTH_ADVICE)
    is_float = pixels.dtype.kind == "f"
    depth = pixels.astype(np.float32) if is_float else metres(pixels, depth_unit)
    return DepthImage(stamp_ns, frame_id, depth)


def metres(steps: np.ndarray, depth_unit: float) -> np.ndarray:
    """Return (H, W) float32 depth [m] of whole steps; 0 and the saturated 65535 are no readings."""
    depth = np.multiply(steps, np.float32(depth_unit), dtype=np.float32)
    depth[steps == SATURATED] = 0
    return depth


def _swapped(text: str) -> bool:
    """Return whether red and blue of the file are exchanged.

    compressed_image_transport passes the channels to OpenCV as they are in memory, and OpenCV
    takes them as BGR. The format says at its end whether they were: "rgb8; jpeg compressed bgr8".
    """
    source, separator, compressed = text.partition(";")
    in_color = source.strip().startswith(_COLOR_PREFIXES)
    return bool(separator) and in_color and "compressed bgr" not in compressed


def opened(data: bytes, text: str, kinds: tuple[str, ...]) -> Image.Image:
    """Return the image of a file of some kinds, decompressed; `text` is the format of its message.

    Raises:
        RejectedInputError: SIZE or EMPTY; MALFORMED where the bytes are no complete image.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=kinds)
        checked_size(image.height, image.width)
        image.load()
    except RejectedInputError:
        raise
    except (OSError, SyntaxError, EOFError, ValueError, Image.DecompressionBombError) as error:
        raise RejectedInputError(
            RejectReason.MALFORMED,
            f"{len(data)} bytes of format {shown(text)} are no complete {' or '.join(kinds)} "
            f"({shown(str(error))}); check the image transport",
        ) from error
    return image
