"""The scene.json document of the object map, as ~/scene_graph publishes it."""

from __future__ import annotations

from dataclasses import replace

from iscene_ros.core.scene_update import SceneUpdate, TrackedObject
from iscene_ros.core.stamps import SECOND
from iscene_ros.io.scene_json import mesh_data, to_document

SIGNIFICANT_DIGITS = 6
SMALLEST_DECIMALS = 9
# Six digits of seconds since 1970 would be hours.
_EXACT = frozenset({"stamp", "first_seen", "last_seen", "mesh_data"})


def scene_graph_document(update: SceneUpdate, meshes_topic: str, inline: bool) -> dict:
    """Return the document of an update, numbers rounded to six digits, stamps exact.

    Objects that the newest frame does not show are in it, too, with `visible` false.

    Args:
        update: the object map.
        meshes_topic: full name of the topic of the meshes, to which each `mesh` refers.
        inline: whether each object contains its mesh (`mesh_data`).
    """
    scene = replace(
        update.map_scene,
        frame_id=update.frame_id,
        stamp=update.stamp_ns / SECOND,
        skipped=update.skipped,
    )
    document = to_document(scene)
    document["objects"] = [
        _object_entry(entry, tracked, update, meshes_topic, inline)
        for entry, tracked in zip(document["objects"], update.objects, strict=True)
    ]
    return {key: _rounded(key, value) for key, value in document.items()}


def _object_entry(
    entry: dict, tracked: TrackedObject, update: SceneUpdate, meshes_topic: str, inline: bool
) -> dict:
    """Return the entry of an object, its name at the beginning for human readers."""
    mesh = f"topic:{meshes_topic}#{tracked.name}"
    named = {"id": tracked.id, "name": tracked.name} | entry | {"mesh": mesh}
    named |= {
        "tracker_id": tracked.tracker_id,
        "first_seen": tracked.first_seen_ns / SECOND,
        "last_seen": tracked.last_seen_ns / SECOND,
        "visible": tracked.id in update.seen,
    }
    return named | {"mesh_data": mesh_data(tracked.item.mesh)} if inline else named


def _rounded(key: str, value: object) -> object:
    """Return the value of a key with its numbers rounded."""
    if key in _EXACT:
        return value
    if isinstance(value, float):
        rounded = float(f"{round(value, SMALLEST_DECIMALS):.{SIGNIFICANT_DIGITS}g}")
        return rounded + 0.0  # no negative zeros
    if isinstance(value, dict):
        return {name: _rounded(name, entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_rounded("", entry) for entry in value]
    return value
