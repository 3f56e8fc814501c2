"""Compressed colour images: JPEG or PNG bytes to an array."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from iscene_ros.ros.decode_header import decode_header, rejected, shown
from iscene_ros.ros.pixels import checked_size
from iscene_ros.session.inputs import ColorImage
from iscene_ros.session.rejection import RejectedInputError, RejectReason

_MODES_8_BIT = {"L", "LA", "P", "RGB", "RGBA", "CMYK"}
_COLOR_PREFIXES = ("rgb", "bgr")


def decode_compressed_color(message: Any, topic: str = "rgb_compressed") -> ColorImage:
    """The colour image of a sensor_msgs/msg/CompressedImage: JPEG or PNG, 8 bits a channel.

    Raises:
        RejectedInputError: STAMP, FRAME, ENCODING, SIZE or EMPTY; MALFORMED where the bytes are no
            complete image.
    """
    stamp_ns, frame_id = decode_header(message.header, topic)
    if "compressedDepth" in message.format:
        raise rejected(
            RejectReason.ENCODING,
            topic,
            f"format {shown(message.format)} is a depth image, expected colour as jpeg or png; "
            "remap rgb to the colour image",
        )
    if not len(message.data):
        raise rejected(
            RejectReason.EMPTY, topic, "no data, expected a JPEG or PNG; check the driver"
        )
    rgb = _decompressed(np.frombuffer(message.data, np.uint8).tobytes(), message.format, topic)
    return ColorImage(
        stamp_ns, frame_id, rgb[..., ::-1].copy() if _swapped(message.format) else rgb
    )


def _swapped(text: str) -> bool:
    """Whether red and blue of the file are exchanged.

    compressed_image_transport hands OpenCV the channels as they are in memory, and OpenCV takes
    them for BGR. The end of the format says whether they were BGR: "rgb8; jpeg compressed bgr8".
    """
    source, separator, compressed = text.partition(";")
    in_color = source.strip().startswith(_COLOR_PREFIXES)
    return bool(separator) and in_color and "compressed bgr" not in compressed


def _decompressed(data: bytes, text: str, topic: str) -> np.ndarray:
    """(H, W, 3) uint8."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            checked_size(image.height, image.width, topic)
            if image.mode not in _MODES_8_BIT:
                raise rejected(
                    RejectReason.ENCODING,
                    topic,
                    f"a {image.format} of mode {image.mode}, expected 8 bits a channel; publish "
                    "an 8-bit image",
                )
            return np.array(image.convert("RGB"))
    except RejectedInputError:
        raise
    except (OSError, SyntaxError, EOFError, ValueError, Image.DecompressionBombError) as error:
        raise rejected(
            RejectReason.MALFORMED,
            topic,
            f"{len(data)} bytes of format {shown(text)} are no complete JPEG or PNG "
            f"({shown(str(error))}); check the image transport",
        ) from error
