"""Decoding of a CameraInfo to the pinhole camera of the images as they are published."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from iscene_ros.core.camera import Camera, check_lens, distortion_coefficients
from iscene_ros.core.errors import InputError
from iscene_ros.ros.decode_header import decode_header, shown
from iscene_ros.ros.pixels import checked_size
from iscene_ros.session.inputs import Intrinsics
from iscene_ros.session.rejection import RejectedInputError, RejectReason

# Focal lengths of cameras [pixels], from a binned thermal one to a long telephoto lens.
FOCAL_LENGTHS = (1.0, 1e6)
_CALIBRATE = "calibrate the camera or check its driver"


def decode_camera_info(message: Any, rectified: bool) -> Intrinsics:
    """Return the calibration of a sensor_msgs/msg/CameraInfo, for images as published.

    Region of interest and binning are taken as image_geometry takes them: the principal point moves
    by the offset, then everything is divided by the binning. Of rectified images the left 3 x 3 of
    P holds and there is no distortion, otherwise K and D.

    Raises:
        RejectedInputError: STAMP, FRAME; EMPTY or SIZE of the image; INTRINSICS.
    """
    # A calibration holds at all times.
    stamp_ns, frame_id = decode_header(message.header, needs_stamp=False)
    x, y, width, height = _window(message)
    binning = [max(index(b), 1) for b in (message.binning_x, message.binning_y)]
    if width < binning[0] or height < binning[1]:
        raise RejectedInputError(
            RejectReason.INTRINSICS,
            f"binning {shown(binning[0])} x {shown(binning[1])} leaves nothing of {width} x "
            f"{height} pixels; {_CALIBRATE}",
        )
    d = _distortion(message)
    name, k, d = _rectified(message, d) if rectified else ("K", _numbers(message.k, 9), d)
    _check_matrix(name, k)
    k = k.reshape(3, 3).copy()
    k[:2, 2] -= x, y
    k[:2] /= np.array(binning, np.float64)[:, None]
    try:
        camera = Camera(width // binning[0], height // binning[1], k, d)
        check_lens(camera)
        return Intrinsics(stamp_ns, frame_id, camera)
    except InputError as error:
        raise RejectedInputError(RejectReason.INTRINSICS, str(error)) from error


def _window(message: Any) -> tuple[int, int, int, int]:
    """Return x, y, width and height of what is published of the sensor, before binning [pixels]."""
    full_height, full_width = checked_size(message.height, message.width)
    roi = message.roi
    x, y, width, height = (index(v) for v in (roi.x_offset, roi.y_offset, roi.width, roi.height))
    if not any((x, y, width, height)):
        return 0, 0, full_width, full_height
    fits = x + width <= full_width and y + height <= full_height
    if not fits or width < 1 or height < 1 or x < 0 or y < 0:
        raise RejectedInputError(
            RejectReason.INTRINSICS,
            f"region of interest of {shown(width)} x {shown(height)} pixels at {shown(x)}, "
            f"{shown(y)}, expected one inside {full_width} x {full_height} (all zero = the whole "
            f"image); {_CALIBRATE}",
        )
    return x, y, width, height


def _distortion(message: Any) -> np.ndarray:
    """Return (0,), (5,) or (8,) distortion coefficients."""
    try:
        return distortion_coefficients(message.distortion_model, _numbers(message.d))
    except InputError as error:
        line = f"{error}; then set rectified" if "rectify" in str(error) else str(error)
        raise RejectedInputError(RejectReason.INTRINSICS, line) from error


def _rectified(message: Any, d: np.ndarray) -> tuple[str, np.ndarray, np.ndarray]:
    """Return name and 9 numbers of the matrix of rectified images, and no distortion."""
    p = _numbers(message.p, 12)
    if np.any(p):
        return "P", p.reshape(3, 4)[:, :3].ravel(), np.zeros(0)
    if np.any(d):
        raise RejectedInputError(
            RejectReason.INTRINSICS,
            "P is all zero but D is not, expected P of the rectified images; set rectified to "
            "false if the images are raw, or calibrate",
        )
    return "K", _numbers(message.k, 9), np.zeros(0)


def _check_matrix(name: str, k: np.ndarray) -> None:
    if not np.any(k):
        raise RejectedInputError(
            RejectReason.INTRINSICS,
            f"{name} is all zero: an uncalibrated camera; {_CALIBRATE}",
        )
    if not np.all(np.isfinite(k)):
        raise RejectedInputError(RejectReason.INTRINSICS, f"{name} is not finite; {_CALIBRATE}")
    low, high = FOCAL_LENGTHS
    if not (low <= k[0] <= high and low <= k[4] <= high and np.all(np.abs(k) <= high)):
        raise RejectedInputError(
            RejectReason.INTRINSICS,
            f"{name} has focal lengths {k[0]:.4g} and {k[4]:.4g} and principal point {k[2]:.4g}, "
            f"{k[5]:.4g}, expected pixels with focal lengths from {low:g} to {high:g}; "
            f"{_CALIBRATE}",
        )


def _numbers(values: Any, count: int | None = None) -> np.ndarray:
    """Return a float64 copy of a field; raise ValueError for a wrong count of numbers."""
    numbers = np.array(values, np.float64).ravel()
    if count is not None and len(numbers) != count:
        raise ValueError(f"{len(numbers)} numbers, expected {count}")
    return numbers
