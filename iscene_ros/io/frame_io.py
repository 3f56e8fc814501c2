"""Reading of one observation from the files that cameras and segmenters write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.io.camera_json import CameraFile, read_camera
from iscene_ros.io.file_errors import reading
from iscene_ros.io.mask_io import Label, read_labels, read_masks

EXPECTED_RGB = "an 8-bit colour PNG or JPEG"
EXPECTED_DEPTH = "a 16-bit PNG in mm or a .npy of (H, W) float32 in m"
_FOLDER_TYPES = {
    "rgb": (".png", ".jpg", ".jpeg"),
    "depth": (".png", ".npy"),
    "masks": (".png", ".npz"),
    "camera": (".json",),
    "labels": (".json",),
}
_COLOUR_MODES = ("RGB", "RGBA", "L", "LA", "P")
_DEPTH_MODES = ("I;16", "I;16B", "I;16L", "I")


@dataclass(frozen=True)
class FrameFiles:
    """The files of one frame.

    Attributes:
        rgb: 8-bit colour PNG or JPEG.
        depth: 16-bit PNG [mm] or .npy float [m]; 0 or NaN = no reading. None = without depth.
        masks: 8- or 16-bit PNG of instance ids (0 = background) or .npz with a (N, H, W) stack.
        camera: JSON, see `camera_json`.
        labels: JSON {"1": "mug"} or a list, or None.
    """

    rgb: Path
    depth: Path | None
    masks: Path
    camera: Path
    labels: Path | None = None

    @classmethod
    def in_folder(cls, folder: Path) -> FrameFiles:
        """Return the files of a folder by their names: `rgb.png`, `depth.npy` and so on.

        Raises:
            InputError: no such folder, a file is missing, or there are two of a name.
        """
        found = {name: _named(folder, name, types) for name, types in _FOLDER_TYPES.items()}
        for name in ("rgb", "masks", "camera"):
            if found[name] is None:
                types = " or ".join(name + suffix for suffix in _FOLDER_TYPES[name])
                raise InputError(f"{folder}: no {name}; expected {types}")
        return cls(**found)


def read_observation(
    files: FrameFiles, gravity_camera: Sequence[float] | None = None
) -> Observation:
    """Read and check a frame.

    Args:
        files: of the frame.
        gravity_camera: direction of gravity in the camera frame, where the camera has no pose.

    Raises:
        InputError: one line that names the file and what to do.
    """
    camera_file = read_camera(files.camera)
    if camera_file.world_from_camera is not None and gravity_camera is not None:
        raise InputError(
            f"{files.camera}: world_from_camera already gives gravity; drop it or --gravity"
        )
    rgb = read_rgb(files.rgb)
    depth = None if files.depth is None else read_depth(files.depth)
    ids, masks = read_masks(files.masks)
    _check_sizes(files, camera_file, rgb, depth, masks)
    labels = read_labels(files.labels, ids) if files.labels else (Label(),) * len(ids)
    try:
        return Observation(
            depth=depth,
            masks=masks,
            camera=camera_file.camera,
            rgb=rgb,
            labels=tuple(label.name for label in labels),
            scores=tuple(label.score for label in labels),
            instance_ids=ids,
            world_from_camera=camera_file.world_from_camera,
            gravity_camera=None if gravity_camera is None else np.asarray(gravity_camera),
            stamp=camera_file.stamp,
        )
    except InputError as error:
        raise InputError(_with_file(files, str(error))) from error


def read_rgb(path: Path) -> np.ndarray:
    """Read a colour image as (H, W, 3) uint8."""
    with reading(path, EXPECTED_RGB), Image.open(path, formats=("PNG", "JPEG")) as image:
        mode, rgb = image.mode, np.asarray(image.convert("RGB"))
    if mode not in _COLOUR_MODES:
        raise InputError(f"{path}: rgb of mode {mode}; expected {EXPECTED_RGB}")
    return rgb


def read_depth(path: Path) -> np.ndarray:
    """Read a depth image as (H, W) float32 [m]; 0 or not finite = no reading."""
    if path.suffix.lower() == ".npy":
        return _read_metres(path)
    if path.suffix.lower() != ".png":
        raise InputError(
            f"{path}: depth of type {path.suffix or '(none)'}; expected {EXPECTED_DEPTH}"
        )
    with reading(path, EXPECTED_DEPTH), Image.open(path, formats=("PNG",)) as image:
        mode, values = image.mode, np.asarray(image)
    if mode not in _DEPTH_MODES:
        raise InputError(f"{path}: depth of mode {mode}, not 16 bit; expected {EXPECTED_DEPTH}")
    return values.astype(np.float32) / 1000


def _read_metres(path: Path) -> np.ndarray:
    with reading(path, EXPECTED_DEPTH), path.open("rb") as file:
        depth = np.lib.format.read_array(file, allow_pickle=False)
    if depth.dtype.kind != "f" or depth.ndim != 2:
        raise InputError(
            f"{path}: depth of dtype {depth.dtype}, shape {depth.shape}; "
            "expected (H, W) float32 in m: divide millimetres by 1000"
        )
    return depth


def _named(folder: Path, name: str, suffixes: Sequence[str]) -> Path | None:
    """Return the file of a name in a folder; None where there is none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with rgb, depth, masks, camera")
    found = [path for suffix in suffixes if (path := folder / f"{name}{suffix}").is_file()]
    if len(found) > 1:
        raise InputError(f"{folder}: {found[0].name} and {found[1].name}; leave one of them")
    return found[0] if found else None


def _check_sizes(
    files: FrameFiles,
    camera_file: CameraFile,
    rgb: np.ndarray,
    depth: np.ndarray | None,
    masks: np.ndarray,
) -> None:
    camera = camera_file.camera
    expected = (camera.height, camera.width)
    images = [(files.masks, "masks", masks.shape[1:]), (files.rgb, "rgb", rgb.shape[:2])]
    if depth is not None:
        images.insert(0, (files.depth, "depth", depth.shape))
    for path, field, shape in images:
        if shape != expected:
            raise InputError(
                f"{path}: {field} of {shape[1]} x {shape[0]} pixels, expected {camera.width} x "
                f"{camera.height} as in {files.camera}: register all images to one camera"
            )


def _with_file(files: FrameFiles, message: str) -> str:
    field = message.split(":")[0].split(".")[0]
    path = {
        "rgb": files.rgb,
        "depth": files.depth,
        "masks": files.masks,
        "labels": files.labels,
        "scores": files.labels,
        "camera": files.camera,
        "world_from_camera": files.camera,
        "gravity_camera": "--gravity",
    }.get(field)
    return message if path is None else f"{path}: {message}"
