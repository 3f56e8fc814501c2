"""The camera file: intrinsics and, where it is known, the pose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iscene_ros.core.camera import Camera, distortion_coefficients
from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import check_rigid
from iscene_ros.io.file_errors import read_json, read_yaml

EXPECTED = 'camera JSON {"width", "height", "k": [9], "d": [5]?, "world_from_camera": [16]?}'
_FIELDS = {
    *("width", "height", "k", "d", "distortion_model", "world_from_camera", "stamp", "depth_unit")
}
# A dumped sensor_msgs/CameraInfo has these as well; K and D alone describe the raw image.
_IGNORED = {"header", "r", "p", "binning_x", "binning_y", "roi"}
_MODEL_NAMES = dict.fromkeys(
    ("", "radtan", "opencv", "brown_conrady", "distortion.brown_conrady"), "plumb_bob"
)
MILLIMETRE_M = 0.001


@dataclass(frozen=True)
class CameraFile:
    """The content of a camera file.

    Attributes:
        camera: intrinsics.
        world_from_camera: (4, 4) float64 rigid transform, or None.
        stamp: time of capture [s].
        depth_unit: metres of one step of the depth image [m], or None.
    """

    camera: Camera
    world_from_camera: np.ndarray | None
    stamp: float
    depth_unit: float | None = None


def read_camera(path: Path) -> CameraFile:
    """Read a camera file; lists are row major, the camera frame is the optical frame.

    Besides the JSON of this package it may be one with fx, fy, cx, cy; a pinhole camera of open3d;
    or a YAML of camera_calibration or of `ros2 topic echo`.

    Raises:
        InputError: names the file and the field.
    """
    is_yaml = path.suffix.lower() in (".yaml", ".yml")
    document = read_yaml(path, EXPECTED) if is_yaml else read_json(path, EXPECTED)
    if not isinstance(document, dict):
        raise InputError(f"{path}: not an object; expected {EXPECTED}")
    try:
        for marks, translate in _OTHERS:
            if marks <= set(document):
                return _parse(translate(document))
        return _parse(document)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _with_focal_lengths(document: dict) -> dict:
    """Translate fx, fy, cx, cy; librealsense has ppx, ppy, coeffs and model, BOP depth_scale."""
    names = {"ppx": "cx", "ppy": "cy", "coeffs": "d", "model": "distortion_model"}
    named = {names.get(key, key): value for key, value in document.items()}
    missing = [name for name in ("cx", "cy") if name not in named]
    if missing:
        raise InputError(f"{missing[0]}: missing beside fx and fy; expected pixels")
    fx, fy, cx, cy = (named.pop(name) for name in ("fx", "fy", "cx", "cy"))
    if "depth_scale" in named:  # millimetres a step
        scale = _numbers(document, "depth_scale", (1,))
        named["depth_unit"] = MILLIMETRE_M * float(scale.item())
        del named["depth_scale"]
    return {**named, "k": [fx, 0, cx, 0, fy, cy, 0, 0, 1]}


def _of_open3d(document: dict) -> dict:
    """Translate open3d's PinholeCameraIntrinsic, whose matrix is column major."""
    rest = {k: v for k, v in document.items() if k not in ("intrinsic_matrix", "class_name")}
    rest = {k: v for k, v in rest.items() if not k.startswith("version_")}
    return {**rest, "k": _transposed(document, "intrinsic_matrix", 3)}


def _of_open3d_parameters(document: dict) -> dict:
    """Translate open3d's PinholeCameraParameters, whose extrinsic is camera_from_world."""
    if not isinstance(document["intrinsic"], dict):
        raise InputError("intrinsic: expected the object of open3d")
    translated = _of_open3d(document["intrinsic"])
    camera_from_world = check_rigid(_transposed(document, "extrinsic", 4), "extrinsic")
    return {**translated, "world_from_camera": np.linalg.inv(camera_from_world).ravel().tolist()}


def _of_calibration(document: dict) -> dict:
    """Translate the YAML of camera_calibration: image_width, camera_matrix with its data."""
    names = {
        "image_width": "width",
        "image_height": "height",
        "camera_matrix": "k",
        "distortion_coefficients": "d",
        "distortion_model": "distortion_model",
        "world_from_camera": "world_from_camera",
        "depth_unit": "depth_unit",
    }
    found = {new: document[old] for old, new in names.items() if old in document}
    return {k: v["data"] if isinstance(v, dict) and "data" in v else v for k, v in found.items()}


def _of_ros_1(document: dict) -> dict:
    """Translate a CameraInfo of ROS 1, whose D, K, R and P are capitals."""
    return {k.lower() if k in ("D", "K", "R", "P") else k: v for k, v in document.items()}


# Fields by which a document of another program is known, and what gives it the fields of this one.
_OTHERS: tuple[tuple[set[str], Callable[[dict], dict]], ...] = (
    ({"fx", "fy"}, _with_focal_lengths),
    ({"intrinsic", "extrinsic"}, _of_open3d_parameters),
    ({"intrinsic_matrix"}, _of_open3d),
    ({"camera_matrix"}, _of_calibration),
    ({"K"}, _of_ros_1),
)


def _transposed(document: dict, field: str, edge: int) -> list[float]:
    return _numbers(document, field, (edge * edge,)).reshape(edge, edge).T.ravel().tolist()


def _parse(document: dict) -> CameraFile:
    unknown = sorted(map(str, set(document) - _FIELDS - _IGNORED))
    if unknown:
        missing = [name for name in ("width", "height", "k") if name not in document]
        lacks = f" and no {missing[0]!r}" if missing else ""
        raise InputError(
            f"unknown field {unknown[0]!r}{lacks}; expected {', '.join(sorted(_FIELDS))}"
        )
    camera = Camera(
        _pixels(document, "width"),
        _pixels(document, "height"),
        _numbers(document, "k", (9,)),
        _distortion(document),
    )
    pose = None
    if document.get("world_from_camera") is not None:
        pose = check_rigid(_numbers(document, "world_from_camera", (16,)), "world_from_camera")
    stamp = float(_numbers(document, "stamp", (1,))[0]) if "stamp" in document else 0.0
    if not np.isfinite(stamp):
        raise InputError("stamp: not finite; expected seconds")
    unit = float(_numbers(document, "depth_unit", (1,))[0]) if "depth_unit" in document else None
    return CameraFile(camera, pose, stamp, unit)


def _distortion(document: dict) -> np.ndarray:
    if document.get("d") is None:
        return np.zeros(0)
    model = str(document.get("distortion_model", ""))
    coefficients = _numbers(document, "d", tuple(range(15)))
    return distortion_coefficients(_MODEL_NAMES.get(model, model), coefficients)


def _pixels(document: dict, field: str) -> int:
    value = document.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{field}: {_shown(document, field)}, expected a positive whole number")
    return value


def _numbers(document: dict, field: str, counts: tuple[int, ...]) -> np.ndarray:
    most = f"0 to {counts[-1]}" if len(counts) > 3 else " or ".join(map(str, counts))
    expected = f"expected {most} numbers, row major"
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
