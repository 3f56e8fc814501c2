"""Relations between objects as markers for RViz."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from iscene_ros.core.colors import instance_color
from iscene_ros.core.predicate import MARKER_PREDICATES, predicate_number
from iscene_ros.core.scene import Relation, SceneObject
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.ros.common_messages import (
    encode_color,
    encode_pose,
    encode_vector,
    vector_values,
)
from iscene_ros.ros.mesh_markers import ADD, DELETE_ALL, MARKERS_TYPE
from iscene_ros.ros.messages import MessageTypes

MARKER_TYPE = "visualization_msgs/msg/Marker"
# visualization_msgs/Marker: types.
ARROW, TEXT_VIEW_FACING = 0, 9
ENVIRONMENT_ID = 0
ARROW_NAMESPACE, TEXT_NAMESPACE = "relations", "relation_names"
# Diameter of the shaft, diameter and length of the head, height of the letters [m].
SHAFT_M, HEAD_M, HEAD_LENGTH_M, LETTER_M = 0.004, 0.01, 0.015, 0.015
FAINTEST = 0.3


def encode_relation_markers(types: MessageTypes, update: SceneUpdate) -> Any:
    """Return a visualization_msgs/MarkerArray: a named arrow from subject to object.

    Arrows join the centres of the boxes; the environment is represented by the middle of the
    lower face of the other object's box.
    Each message replaces all of the one before. An edge to an object that is not in the map is
    left out, and so is what would clutter the view: nearness, contact, directions, the inverse of
    what is shown. The colour stands for the predicate, the opacity for the confidence.
    """
    header = types.header(update.stamp_ns, update.frame_id)
    items = {tracked.id: tracked.item for tracked in update.objects}
    identity = encode_pose(types, np.eye(4))
    markers = [types.make(MARKER_TYPE, header=header, action=DELETE_ALL, pose=identity)]
    pairs: Counter[frozenset[int]] = Counter()
    shown = {predicate.value for predicate in MARKER_PREDICATES}
    for index, relation in enumerate(update.relations):
        ends = _ends(relation, items)
        if ends is not None and relation.predicate in shown:
            pair = frozenset((relation.subject, relation.object))
            # Labels of the same pair are stacked.
            middle = (ends[0] + ends[1]) / 2 + [0, 0, LETTER_M * (1 + pairs[pair])]
            pairs[pair] += 1
            color = instance_color(predicate_number(relation.predicate) + 1)
            alpha = max(FAINTEST, float(relation.confidence))
            common = {"header": header, "id": index, "action": ADD}
            common["color"] = encode_color(types, color, alpha)
            arrow = types.make(
                MARKER_TYPE,
                ns=ARROW_NAMESPACE,
                type=ARROW,
                pose=identity,
                scale=encode_vector(types, np.array([SHAFT_M, HEAD_M, HEAD_LENGTH_M])),
                points=[types.make("geometry_msgs/msg/Point", **vector_values(p)) for p in ends],
                **common,
            )
            label_pose = np.eye(4)
            label_pose[:3, 3] = middle
            label = types.make(
                MARKER_TYPE,
                ns=TEXT_NAMESPACE,
                type=TEXT_VIEW_FACING,
                pose=encode_pose(types, label_pose),
                scale=encode_vector(types, np.array([0, 0, LETTER_M])),
                text=relation.predicate,
                **common,
            )
            markers += [arrow, label]
    return types.make(MARKERS_TYPE, markers=markers)


def _ends(
    relation: Relation, items: dict[int, SceneObject]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return (3,) start and end of an arrow in the frame of the update [m], or None."""
    both = relation.subject, relation.object
    present = [items[end] for end in both if end in items]
    if not present or any(end not in items and end != ENVIRONMENT_ID for end in both):
        return None
    start, end = (
        items[end].frame_from_object[:3, 3] if end in items else _underside(present[0])
        for end in both
    )
    return start, end


def _underside(item: SceneObject) -> np.ndarray:
    """Return the (3,) middle of the lower face of the box, in the frame of the update [m]."""
    return item.frame_from_object[:3, 3] - item.frame_from_object[:3, 2] * item.size[2] / 2
