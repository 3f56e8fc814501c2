"""Reading of one observation from the files that cameras and segmenters write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.io.camera_json import MILLIMETRE_M, CameraFile, read_camera
from iscene_ros.io.file_errors import reading
from iscene_ros.io.mask_io import Label, read_labels, read_masks
from iscene_ros.preprocess.mask_duplicates import duplicate_of

EXPECTED_RGB = "an 8-bit colour PNG or JPEG"
EXPECTED_DEPTH = "a 16-bit PNG in mm or a .npy of (H, W) float32 in m"
_FOLDER_TYPES = {
    "rgb": (".png", ".jpg", ".jpeg"),
    "depth": (".png", ".npy"),
    "masks": (".png", ".npz"),
    "camera": (".json", ".yaml", ".yml"),
    "labels": (".json",),
}
# Metres of one step of a depth image; as of the node's parameter.
DEPTH_UNITS_M = (1e-6, 1.0)
# Saturated 16-bit depth: out of range.
SATURATED = 65535
_COLOUR_MODES = ("RGB", "RGBA", "L", "LA", "P")
_DEPTH_MODES = ("I;16", "I;16B", "I;16L", "I")


@dataclass(frozen=True)
class FrameFiles:
    """The files of one frame.

    Attributes:
        rgb: 8-bit colour PNG or JPEG, or None.
        depth: 16-bit PNG [mm] or .npy float [m]; 0 or NaN = no reading. None = without depth.
        masks: 8- or 16-bit PNG of instance ids (0 = background) or .npz with a (N, H, W) stack.
        camera: JSON or YAML, see `camera_json`.
        labels: JSON {"1": "mug"} or a list, or None.
        depth_unit: metres of one step of a depth image of whole numbers [m]; None = that of the
            camera file, or millimetres.
    """

    rgb: Path | None
    depth: Path | None
    masks: Path
    camera: Path
    labels: Path | None = None
    depth_unit: float | None = None

    @classmethod
    def in_folder(cls, folder: Path) -> FrameFiles:
        """Return the files of a folder by their names: `rgb.png`, `depth.npy` and so on.

        Raises:
            InputError: no such folder, a file is missing, or there are two of a name.
        """
        found = {name: _named(folder, name, types) for name, types in _FOLDER_TYPES.items()}
        for name in ("masks", "camera"):
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
    rgb = None if files.rgb is None else read_rgb(files.rgb)
    depth_unit = files.depth_unit or camera_file.depth_unit
    depth = None if files.depth is None else read_depth(files.depth, depth_unit)
    ids, masks = read_masks(files.masks)
    _check_sizes(files, camera_file, rgb, depth, masks)
    labels = read_labels(files.labels, ids) if files.labels else (Label(),) * len(ids)
    twice = duplicate_of(masks, [label.score for label in labels])
    warnings = tuple(
        f"duplicates: the masks of instances {ids[one]} and {ids[other]} are nearly the same; "
        f"{ids[one]} is left out"
        for one, other in sorted(twice.items())
    )
    rows = [row for row in range(len(ids)) if row not in twice]
    ids, masks, labels = tuple(ids[r] for r in rows), masks[rows], [labels[r] for r in rows]
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
            warnings=warnings,
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


def read_depth(path: Path, depth_unit: float | None = None) -> np.ndarray:
    """Read a depth image as (H, W) float32 [m]; 0 or not finite = no reading.

    Args:
        path: 16-bit PNG, or .npy.
        depth_unit: metres of one step of a PNG, or of a .npy of whole numbers [m]; None =
            millimetres, and whole numbers in .npy are refused.
    """
    if depth_unit is not None and not DEPTH_UNITS_M[0] <= depth_unit <= DEPTH_UNITS_M[1]:
        low, high = DEPTH_UNITS_M
        raise InputError(f"depth_unit: {depth_unit} m, expected {low:g} to {high:g} m a step")
    if path.suffix.lower() == ".npy":
        return _read_array(path, depth_unit)
    if path.suffix.lower() != ".png":
        raise InputError(
            f"{path}: depth of type {path.suffix or '(none)'}; expected {EXPECTED_DEPTH}"
        )
    with reading(path, EXPECTED_DEPTH), Image.open(path, formats=("PNG",)) as image:
        mode, values = image.mode, np.asarray(image)
    if mode not in _DEPTH_MODES:
        raise InputError(f"{path}: depth of mode {mode}, not 16 bit; expected {EXPECTED_DEPTH}")
    return _metres(values, depth_unit or MILLIMETRE_M)


def _metres(steps: np.ndarray, depth_unit: float) -> np.ndarray:
    known = (steps > 0) & (steps < SATURATED)
    return np.where(known, steps * depth_unit, 0.0).astype(np.float32)


def _read_array(path: Path, depth_unit: float | None) -> np.ndarray:
    with reading(path, EXPECTED_DEPTH), path.open("rb") as file:
        depth = np.lib.format.read_array(file, allow_pickle=False)
    if depth_unit is not None and depth.dtype.kind in "iu" and depth.ndim == 2:
        return _metres(depth, depth_unit)
    if depth.dtype.kind != "f" or depth.ndim != 2:
        raise InputError(
            f"{path}: depth of dtype {depth.dtype}, shape {depth.shape}; "
            "expected (H, W) float32 in m: divide millimetres by 1000, or give --depth-unit 0.001"
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
    rgb: np.ndarray | None,
    depth: np.ndarray | None,
    masks: np.ndarray,
) -> None:
    camera = camera_file.camera
    expected = (camera.height, camera.width)
    images = [
        (files.depth, "depth", depth),
        (files.masks, "masks", masks[0] if len(masks) else None),
        (files.rgb, "rgb", rgb),
    ]
    for path, field, image in images:
        shape = expected if image is None else image.shape[:2]
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
