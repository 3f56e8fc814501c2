"""The scene.json document: from a scene, to a scene, checked against the schema of the package."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from iscene_ros.core.errors import InputError
from iscene_ros.core.scene import (
    Mesh,
    ObjectProperties,
    Plane,
    Relation,
    RelationEvidence,
    Scene,
    SceneObject,
    SkippedObject,
    Timings,
)
from iscene_ros.core.slugs import slug

SCHEMA_VERSION = "1.6"
SCHEMA_PATH = Path(__file__).with_name("scene.schema.json")


def mesh_path(scene_object: SceneObject) -> str:
    """Return the path of an object's mesh beside scene.json: "meshes/003_mug.ply"."""
    name = slug(scene_object.label)[:40] or "object"
    return f"meshes/{scene_object.id:03d}_{name}.ply"


def to_document(scene: Scene) -> dict:
    """Return the JSON document of a scene, without its meshes."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "frame_id": scene.frame_id,
        "stamp": float(scene.stamp),
        "is_metric": bool(scene.is_metric),
        "gravity": _floats(scene.frame_from_camera[:3, :3] @ scene.gravity_camera),
        "frame_from_camera": _floats(scene.frame_from_camera),
        "objects": [object_entry(scene_object) for scene_object in scene.objects],
        "skipped": [asdict(skipped) for skipped in scene.skipped],
        "relations": [_relation_entry(relation) for relation in scene.relations],
        "shape_groups": [list(group) for group in scene.graph.shape_groups()],
        "model": {"name": scene.model_name, "checksum": scene.model_checksum},
        "seed": int(scene.seed),
        "steps": int(scene.steps),
        "timings": {
            **{stage: float(seconds) for stage, seconds in asdict(scene.timings).items()},
            "objects": [float(scene_object.seconds) for scene_object in scene.objects],
        },
        "warnings": list(scene.warnings),
    }
    if scene.planes is not None:
        document["planes"] = [
            {name: _rows(value) for name, value in vars(plane).items()} for plane in scene.planes
        ]
    return document


def from_document(document: dict, meshes: Mapping[str, Mesh]) -> Scene:
    """Return the scene of a valid document.

    Fields that only a ROS node writes (name, tracker_id, first_seen...) are not kept.

    Args:
        document: of any version of the schema.
        meshes: by their paths, without those that the document contains.

    Raises:
        InputError: a mesh is neither given nor in the document.
    """
    frame_from_camera = np.array(document["frame_from_camera"], np.float64).reshape(4, 4)
    timings = dict(document["timings"])
    seconds, planes = timings.pop("objects"), document.get("planes")
    return Scene(
        frame_id=document["frame_id"],
        objects=tuple(
            object_of_entry(entry, _mesh(entry, meshes), spent)
            for entry, spent in zip(document["objects"], seconds, strict=True)
        ),
        skipped=tuple(SkippedObject(**entry) for entry in document["skipped"]),
        frame_from_camera=frame_from_camera,
        gravity_camera=frame_from_camera[:3, :3].T @ np.array(document["gravity"]),
        model_name=document["model"]["name"],
        model_checksum=document["model"]["checksum"],
        seed=document["seed"],
        steps=document["steps"],
        timings=Timings(**timings),
        stamp=document["stamp"],
        relations=tuple(_relation(entry) for entry in document["relations"]),
        warnings=tuple(document["warnings"]),
        is_metric=document.get("is_metric", True),
        planes=None if planes is None else tuple(map(_plane, planes)),
    )


def validate(document: object) -> None:
    """Check a parsed scene.json.

    Raises:
        InputError: names the first field that does not follow the schema.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    validator = Draft202012Validator(json.loads(SCHEMA_PATH.read_text("utf-8")))
    error = best_match(validator.iter_errors(document))
    if error is not None:
        raise InputError(f"{error.json_path[2:] or 'scene'}: {error.message[:200]}")
    if len(document["timings"]["objects"]) != len(document["objects"]):
        raise InputError("timings.objects: expected one number for each of the objects")
    for index, entry in enumerate(document["objects"]):
        if "mesh_data" in entry:
            _check_mesh_data(entry["mesh_data"], f"objects[{index}].mesh_data")


def dumps(document: dict) -> str:
    """Return indented JSON text; lists of numbers and relations are on one line each."""
    return _text(document, "") + "\n"


def _text(value: object, indent: str) -> str:
    """Format as json.dumps with an indent, which cannot leave lists on one line and is slower."""
    deeper = indent + "  "
    if isinstance(value, dict) and value and "predicate" not in value:
        entries = [f"{_text(key, '')}: {_text(entry, deeper)}" for key, entry in value.items()]
        return f"{{\n{deeper}" + f",\n{deeper}".join(entries) + f"\n{indent}}}"
    if isinstance(value, list) and value and not isinstance(value[0], (int, float)):
        entries = [_text(entry, deeper) for entry in value]
        return f"[\n{deeper}" + f",\n{deeper}".join(entries) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _relation_entry(relation: Relation) -> dict:
    entry = {
        "subject": int(relation.subject),
        "predicate": str(relation.predicate),
        "object": int(relation.object),
        "confidence": float(relation.confidence),
    }
    if relation.evidence is None:
        return entry
    values = asdict(relation.evidence).items()
    return entry | {"evidence": {name: plain(v) for name, v in values if v is not None}}


def plain(value: object) -> object:
    """Return numbers of numpy and vectors as the numbers and lists of JSON."""
    if isinstance(value, (tuple, np.ndarray)):
        return _floats(value)
    return value.item() if isinstance(value, np.generic) else value


def _rows(value: object) -> object:
    """Return a value as JSON has it, a matrix as a list of rows."""
    return [_floats(row) for row in value] if np.ndim(value) == 2 else plain(value)


def _plane(entry: dict) -> Plane:
    arrays = {n: np.array(v, np.float64) for n, v in entry.items() if isinstance(v, list)}
    return Plane(**(entry | arrays))


def _relation(entry: dict) -> Relation:
    evidence = entry.get("evidence")
    if evidence is not None:
        vectors = {n: tuple(v) for n, v in evidence.items() if isinstance(v, list)}
        evidence = RelationEvidence(**(evidence | vectors))
    ends = entry["subject"], entry["predicate"], entry["object"]
    return Relation(*ends, entry["confidence"], evidence)


def object_entry(scene_object: SceneObject) -> dict:
    """Return the entry of an object in a document."""
    residual = float(scene_object.depth_residual)
    entry = {
        "id": int(scene_object.id),
        "label": scene_object.label,
        "score": float(scene_object.score),
        "mesh": mesh_path(scene_object),
        "pose": _floats(scene_object.frame_from_object),
        "size": _floats(scene_object.size),
        "observed_fraction": float(scene_object.observed_fraction),
        "confidence": float(scene_object.confidence),
        "depth_residual_m": residual if math.isfinite(residual) else None,
        "color": [int(channel) for channel in scene_object.color],
    }
    if scene_object.uncertainty is not None:
        entry["uncertainty_m"] = float(scene_object.uncertainty)
    properties = scene_object.properties
    if properties is not None:
        entry["properties"] = {
            "volume_m3": float(properties.volume),
            "center_of_mass": _floats(properties.center_of_mass),
        }
        if properties.upright_axis is not None:
            entry["properties"]["upright_axis"] = _floats(properties.upright_axis)
    if scene_object.transparent_suspect:
        entry["transparent_suspect"] = True
    return entry


def _properties(entry: dict | None) -> ObjectProperties | None:
    if entry is None:
        return None
    axis = entry.get("upright_axis")
    return ObjectProperties(
        entry["volume_m3"],
        np.array(entry["center_of_mass"], np.float64),
        None if axis is None else np.array(axis, np.float64),
    )


def object_of_entry(entry: dict, mesh: Mesh, seconds: float) -> SceneObject:
    """Return the object of a valid entry of a document, with its mesh and its time [s]."""
    residual = entry["depth_residual_m"]
    return SceneObject(
        id=entry["id"],
        label=entry["label"],
        score=entry["score"],
        mesh=mesh,
        frame_from_object=np.array(entry["pose"], np.float64).reshape(4, 4),
        size=np.array(entry["size"], np.float64),
        observed_fraction=entry["observed_fraction"],
        confidence=entry["confidence"],
        depth_residual=math.nan if residual is None else residual,
        seconds=seconds,
        color=np.array(entry["color"], np.uint8),
        uncertainty=entry.get("uncertainty_m"),
        properties=_properties(entry.get("properties")),
        transparent_suspect=entry.get("transparent_suspect", False),
    )


def mesh_data(mesh: Mesh) -> dict:
    """Return a mesh as part of a document, its corners rounded to 0.1 mm."""
    rounded = mesh.vertices.astype(np.float64).round(4) + 0.0  # no negative zeros
    return {"vertices": rounded.ravel().tolist(), "faces": mesh.faces.ravel().tolist()}


def _mesh(entry: dict, meshes: Mapping[str, Mesh]) -> Mesh:
    if "mesh_data" in entry:
        data = entry["mesh_data"]
        return Mesh(
            np.array(data["vertices"], np.float32).reshape(-1, 3),
            np.array(data["faces"], np.int32).reshape(-1, 3),
        )
    if entry["mesh"] not in meshes:
        raise InputError(
            f"object {entry['id']}: its mesh is {entry['mesh']} and not in the document; "
            "set inline_meshes or call ~/save_scene to get it"
        )
    return meshes[entry["mesh"]]


def _check_mesh_data(data: dict, name: str) -> None:
    for part in ("vertices", "faces"):
        if len(data[part]) % 3:
            raise InputError(f"{name}.{part}: {len(data[part])} numbers, expected threes")
    corners = len(data["vertices"]) // 3
    if max(data["faces"], default=-1) >= corners:
        raise InputError(f"{name}.faces: {max(data['faces'])} names none of the {corners} corners")


def _floats(array: np.ndarray) -> list[float]:
    return [float(value) for value in np.asarray(array).ravel()]
