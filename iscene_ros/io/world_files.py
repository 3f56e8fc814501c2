"""A world, from which another session can go on: a folder of world.json and world.safetensors.

A folder appears complete or not at all. world.json holds the checksum of the arrays, so that what
was damaged later is noticed, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from iscene_ros.core.atomic_files import new_file, new_folder, write_text
from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import check_rigid
from iscene_ros.core.scene import Mesh
from iscene_ros.core.scene_update import TrackedObject
from iscene_ros.geometry.environment_volume import BLOCK, MAX_BLOCKS, MAX_WEIGHT, VoxelBlocks
from iscene_ros.io.file_errors import read_json
from iscene_ros.io.keyframe_files import PROPERTIES, keyframe_entry, keyframe_of_entry
from iscene_ros.io.scene_json import SCHEMA_PATH, dumps, object_entry, object_of_entry

VERSION = 1
WORLD_FILE, ARRAYS_FILE = "world.json", "world.safetensors"
# Fields of an object beside its mesh that hold a value for every vertex: dtype, further axes.
VERTEX_FIELDS = {
    "vertex_observed": (np.bool_, ()),
    "vertex_colors": (np.uint8, (3,)),
    "vertex_sigma": (np.float32, ()),
}
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class World:
    """The object map and the surroundings of a session.

    Attributes:
        frame_id: frame of all poses and of the surroundings.
        stamp_ns: stamp of the newest frame [ns].
        next_id: id of the next new object; ids are never used twice.
        objects: the tracked objects, ascending by id.
        environment: the fused surroundings; None where there are none.
    """

    frame_id: str
    stamp_ns: int
    next_id: int
    objects: tuple[TrackedObject, ...]
    environment: VoxelBlocks | None = None


def write_world(world: World, directory: Path) -> None:
    """Write a world to a new folder, completely or not at all.

    Raises:
        InputError: the folder exists already or cannot be written.
    """
    check_new(directory)
    arrays: Arrays = {}
    objects = [_tracked_entry(known, arrays) for known in world.objects]
    if world.environment is not None:
        # Half precision is 0.01 mm, and a block takes 2 kB.
        arrays["environment.keys"] = world.environment.keys
        arrays["environment.distance"] = world.environment.distance.astype(np.float16)
        arrays["environment.weight"] = world.environment.weight.astype(np.float16)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    data = safetensors.numpy.save(contiguous)
    document = {
        "version": VERSION,
        "frame_id": world.frame_id,
        "stamp_ns": world.stamp_ns,
        "next_id": world.next_id,
        "arrays_sha256": hashlib.sha256(data).hexdigest(),
        "objects": objects,
    }
    try:
        with new_folder(directory) as folder:
            with new_file(folder / ARRAYS_FILE) as path:
                path.write_bytes(data)
            write_text(folder / WORLD_FILE, dumps(document))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{directory}: cannot be written ({reason})") from error


def check_new(directory: Path) -> None:
    """Check that nothing has the name of a folder to be written.

    Raises:
        InputError: something has.
    """
    if directory.exists():
        raise InputError(f"{directory}: exists already; choose a new folder")


def read_world(directory: Path) -> World:
    """Read a world.

    Args:
        directory: the folder of a world, or one that holds such folders: the newest is read.

    Raises:
        InputError: there is none, it is of another version, or a file is damaged; it is named.
    """
    path = _newest(directory) / WORLD_FILE
    document = read_json(path, "the world.json that ~/save_world writes")
    try:
        _validate(document)
        arrays = _read_arrays(path.with_name(ARRAYS_FILE), document["arrays_sha256"])
        objects = tuple(_tracked(entry, arrays) for entry in document["objects"])
        ids, names, below = [k.id for k in objects], [k.name for k in objects], document["next_id"]
        is_sound = ids == sorted(set(ids)) and max(ids, default=0) < below
        if not is_sound or len(set(names)) != len(names):
            raise InputError(f"objects: ids {ids} and names {names} are not unique below {below}")
        environment = _environment(arrays) if "environment.keys" in arrays else None
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return World(
        document["frame_id"], document["stamp_ns"], document["next_id"], objects, environment
    )


def _newest(directory: Path) -> Path:
    """Return the folder of a world: this one, or the newest in it."""
    if (directory / WORLD_FILE).exists() or not directory.is_dir():
        return directory
    # Names that begin with a dot are those of folders that are not complete.
    found = [path for path in directory.glob(f"[!.]*/{WORLD_FILE}")]
    if not found:
        raise InputError(f"{directory}: holds no world; save one with ~/save_world")
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path)).parent


def _validate(document: object) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    version = document.get("version") if isinstance(document, Mapping) else None
    if isinstance(version, int) and version != VERSION:
        raise InputError(
            f"version {version}, expected {VERSION}; read it with the release that wrote it, or "
            "save the world anew"
        )
    error = best_match(Draft202012Validator(_schema()).iter_errors(document))
    if error is not None:
        raise InputError(f"{error.json_path[2:] or 'world'}: {error.message[:200]}")


def _schema() -> dict:
    """Return the schema of world.json; an object's `item` is one of scene.json without mesh."""
    whole, text = {"type": "integer", "minimum": 0}, {"type": "string"}
    tracked = {
        "name": {"type": "string", "minLength": 1},
        "tracker_id": text,
        "first_seen_ns": whole,
        "last_seen_ns": whole,
        "misses": whole,
        "seconds": {"type": "number", "minimum": 0},
        "keyframes": {"type": "array", "items": _exactly(PROPERTIES)},
        "item": {"$ref": "#/$defs/object"},
    }
    world = {
        "version": {"const": VERSION},
        "frame_id": {"type": "string", "minLength": 1},
        "stamp_ns": whole,
        "next_id": {"type": "integer", "minimum": 1},
        "arrays_sha256": text,
        "objects": {"type": "array", "items": _exactly(tracked)},
    }
    definitions = json.loads(SCHEMA_PATH.read_text("utf-8"))["$defs"]
    definitions["object"]["required"].remove("mesh")
    del definitions["object"]["properties"]["mesh"]
    return {**_exactly(world), "$defs": definitions}


def _exactly(properties: dict) -> dict:
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


def _read_arrays(path: Path, checksum: str) -> Arrays:
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != checksum:
            raise InputError(f"{path.name} is damaged or of another world; save the world anew")
        return safetensors.numpy.load(data)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path.name} cannot be read ({error}); save the world anew") from error


def _tracked_entry(known: TrackedObject, arrays: Arrays) -> dict:
    """Return the JSON of an object, and add its arrays to the others."""
    item = known.item
    arrays[f"{known.id}.vertices"] = np.asarray(item.mesh.vertices, np.float32)
    arrays[f"{known.id}.faces"] = np.asarray(item.mesh.faces, np.int32)
    for name, (dtype, _) in VERTEX_FIELDS.items():
        if getattr(item, name) is not None:
            arrays[f"{known.id}.{name}"] = np.asarray(getattr(item, name), dtype)
    entry = object_entry(item)
    del entry["mesh"]
    return {
        "name": known.name,
        "tracker_id": known.tracker_id,
        "first_seen_ns": int(known.first_seen_ns),
        "last_seen_ns": int(known.last_seen_ns),
        "misses": int(known.misses),
        "seconds": float(item.seconds),
        "keyframes": [
            keyframe_entry(keyframe, f"{known.id}.view{number}", arrays)
            for number, keyframe in enumerate(known.keyframes)
        ],
        "item": entry,
    }


def _tracked(entry: dict, arrays: Arrays) -> TrackedObject:
    key = entry["item"]["id"]
    vertices = _array(arrays, f"{key}.vertices", np.float32, (None, 3))
    faces = _array(arrays, f"{key}.faces", np.int32, (None, 3))
    if faces.size and not (0 <= faces.min() and faces.max() < len(vertices)):
        raise InputError(f"{key}.faces: names vertices that are not there; save the world anew")
    item = object_of_entry(entry["item"], Mesh(vertices, faces), entry["seconds"])
    check_rigid(item.frame_from_object, f"pose of object {key}")
    fields = {
        name: _array(arrays, f"{key}.{name}", dtype, (len(vertices), *axes))
        for name, (dtype, axes) in VERTEX_FIELDS.items()
        if f"{key}.{name}" in arrays
    }
    return TrackedObject(
        replace(item, **fields),
        entry["name"],
        entry["tracker_id"],
        entry["first_seen_ns"],
        entry["last_seen_ns"],
        entry["misses"],
        tuple(
            keyframe_of_entry(view, f"{key}.view{number}", arrays)
            for number, view in enumerate(entry["keyframes"])
        ),
    )


def _environment(arrays: Arrays) -> VoxelBlocks:
    keys = _array(arrays, "environment.keys", np.int32, (None, 3))
    shape = (len(keys), BLOCK, BLOCK, BLOCK)
    distance = _array(arrays, "environment.distance", np.float16, shape)
    weight = _array(arrays, "environment.weight", np.float16, shape)
    fits = len(keys) <= MAX_BLOCKS and len(np.unique(keys, axis=0)) == len(keys)
    fits &= bool(np.all(np.abs(distance) <= 1) and np.all((weight >= 0) & (weight <= MAX_WEIGHT)))
    if not fits:
        raise InputError("environment: no fused surroundings; save the world anew")
    return VoxelBlocks(keys, distance.astype(np.float32), weight.astype(np.float32))


def _array(arrays: Arrays, name: str, dtype: type, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return an array by name; of lengths that are None, any will do."""
    found = arrays.get(name)
    if found is None:
        raise InputError(f"{name}: missing; save the world anew")
    fits = found.dtype == dtype and found.ndim == len(shape)
    fits = fits and all(b is None or a == b for a, b in zip(found.shape, shape, strict=True))
    if not fits or (found.dtype.kind == "f" and not np.isfinite(found).all()):
        raise InputError(f"{name}: {found.dtype} {found.shape}, or not finite; save the world anew")
    return found
