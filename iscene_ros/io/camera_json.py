"""The camera file: intrinsics and, where it is known, the pose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import check_rigid
from iscene_ros.io.file_errors import read_json

EXPECTED = 'camera JSON {"width", "height", "k": [9], "d": [5]?, "world_from_camera": [16]?}'
_FIELDS = {"width", "height", "k", "d", "world_from_camera", "stamp"}
# A dumped sensor_msgs/CameraInfo has these as well; K and D alone describe the raw image.
_IGNORED = {"header", "distortion_model", "r", "p", "binning_x", "binning_y", "roi"}


@dataclass(frozen=True)
class CameraFile:
    """The content of a camera file.

    Attributes:
        camera: intrinsics.
        world_from_camera: (4, 4) float64 rigid transform, or None.
        stamp: time of capture [s].
    """

    camera: Camera
    world_from_camera: np.ndarray | None
    stamp: float


def read_camera(path: Path) -> CameraFile:
    """Read a camera JSON; lists are row major, the camera frame is the optical frame.

    Raises:
        InputError: names the file and the field.
    """
    document = read_json(path, EXPECTED)
    if not isinstance(document, dict):
        raise InputError(f"{path}: not an object; expected {EXPECTED}")
    try:
        return _parse(document)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _parse(document: dict) -> CameraFile:
    unknown = sorted(set(document) - _FIELDS - _IGNORED)
    if unknown:
        raise InputError(f"unknown field {unknown[0]!r}; expected {', '.join(sorted(_FIELDS))}")
    if document.get("distortion_model", "plumb_bob") not in ("plumb_bob", ""):
        raise InputError("distortion_model: expected plumb_bob; rectify the images first")
    camera = Camera(
        _pixels(document, "width"),
        _pixels(document, "height"),
        _numbers(document, "k", (9,)),
        _numbers(document, "d", (0, 4, 5)) if document.get("d") is not None else np.zeros(5),
    )
    pose = None
    if document.get("world_from_camera") is not None:
        pose = check_rigid(_numbers(document, "world_from_camera", (16,)), "world_from_camera")
    stamp = float(_numbers(document, "stamp", (1,))[0]) if "stamp" in document else 0.0
    if not np.isfinite(stamp):
        raise InputError("stamp: not finite; expected seconds")
    return CameraFile(camera, pose, stamp)


def _pixels(document: dict, field: str) -> int:
    value = document.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{field}: {_shown(document, field)}, expected a positive whole number")
    return value


def _numbers(document: dict, field: str, counts: tuple[int, ...]) -> np.ndarray:
    expected = f"expected {' or '.join(map(str, counts))} numbers, row major"
    try:
        numbers = np.asarray(document.get(field))
    except ValueError:
        raise InputError(f"{field}: a ragged list, {expected}") from None
    if numbers.size and numbers.dtype.kind not in "iuf":
        raise InputError(f"{field}: {_shown(document, field)}, {expected}")
    if numbers.size not in counts:
        raise InputError(f"{field}: {numbers.size} numbers, {expected}")
    return numbers.astype(np.float64).ravel()


def _shown(document: dict, field: str) -> str:
    return repr(document[field])[:60] if field in document else "missing"
