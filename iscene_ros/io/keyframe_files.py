"""Keyframes in the files of a world: images as arrays, the rest as JSON."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.errors import InputError
from iscene_ros.core.keyframe import Keyframe
from iscene_ros.core.observation import Observation

_NUMBERS = {"type": "array", "items": {"type": "number"}}
_POSE = {"anyOf": [_NUMBERS | {"minItems": 16, "maxItems": 16}, {"type": "null"}]}
PROPERTIES = {
    "instance_id": {"type": "integer", "minimum": 1},
    "instance_ids": {"type": "array", "items": {"type": "integer", "minimum": 1}},
    "labels": {"type": "array", "items": {"type": "string"}},
    "scores": _NUMBERS,
    "stamp": {"type": "number"},
    "k": _NUMBERS | {"minItems": 9, "maxItems": 9},
    "d": _NUMBERS,
    "world_from_camera": _POSE,
}
"""Schema of the properties of a keyframe's JSON, all required."""


def keyframe_entry(keyframe: Keyframe, name: str, arrays: dict[str, np.ndarray]) -> dict:
    """Return the JSON of a keyframe, and add its images to arrays under a name."""
    view = keyframe.view
    arrays[f"{name}.depth"], arrays[f"{name}.masks"] = view.depth, view.masks
    if view.rgb is not None:
        arrays[f"{name}.rgb"] = view.rgb
    pose = view.world_from_camera
    return {
        "instance_id": int(keyframe.instance_id),
        "instance_ids": list(view.instance_ids),
        "labels": list(view.labels),
        "scores": list(view.scores),
        "stamp": float(view.stamp),
        "k": view.camera.k.ravel().tolist(),
        "d": view.camera.d.tolist(),
        "world_from_camera": None if pose is None else pose.ravel().tolist(),
    }


def keyframe_of_entry(entry: dict, name: str, arrays: Mapping[str, np.ndarray]) -> Keyframe:
    """Return the keyframe of a valid entry.

    Raises:
        InputError: an image is missing, or they do not fit each other and the entry.
    """
    depth, masks = arrays.get(f"{name}.depth"), arrays.get(f"{name}.masks")
    if depth is None or masks is None or depth.ndim != 2 or masks.dtype != np.bool_:
        raise InputError(f"{name}: no depth image with masks; save the world anew")
    pose = entry["world_from_camera"]
    camera = Camera(depth.shape[1], depth.shape[0], np.reshape(entry["k"], (3, 3)), entry["d"])
    view = Observation(
        depth=depth,
        masks=masks,
        camera=camera,
        rgb=arrays.get(f"{name}.rgb"),
        labels=tuple(entry["labels"]),
        scores=tuple(entry["scores"]),
        instance_ids=tuple(entry["instance_ids"]),
        world_from_camera=None if pose is None else np.reshape(pose, (4, 4)),
        stamp=entry["stamp"],
    )
    if entry["instance_id"] not in view.instance_ids:
        raise InputError(f"{name}: instance {entry['instance_id']} is none of its masks")
    return Keyframe(view, entry["instance_id"])
