"""Tables as sensor_msgs/PointCloud2: points of the completed surfaces, and edges of the graph."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from iscene_ros.core.predicate import OTHER_LABEL, OTHER_NUMBER, PREDICATES, predicate_number
from iscene_ros.core.scene_update import SceneUpdate, SurfaceCloud
from iscene_ros.ros.messages import MessageTypes

CLOUD_TYPE = "sensor_msgs/msg/PointCloud2"
LABELS_TYPE = "vision_msgs/msg/LabelInfo"
# sensor_msgs/PointField: numbers of the types.
_FIELD_TYPES = {"u1": 2, "u4": 6, "f4": 7}
# Every number lies at a multiple of its size, also from one point to the next.
POINT = np.dtype(
    {
        "names": ["x", "y", "z", "rgb", "object_id", "observed"],
        "formats": ["f4", "f4", "f4", "f4", "u4", "u1"],
        "offsets": [0, 4, 8, 12, 16, 20],
        "itemsize": 24,
    }
)
EDGE = np.dtype(
    {
        "names": ["subject", "object", "predicate", "score"],
        "formats": ["u4", "u4", "u1", "f4"],
        "offsets": [0, 4, 8, 12],
        "itemsize": 16,
    }
)


def encode_cloud(types: MessageTypes, update: SceneUpdate, cloud: SurfaceCloud) -> Any:
    """A sensor_msgs/PointCloud2 of surface points in the frame of the update.

    Fields: x, y, z float32 [m]; rgb, 0x00RRGGBB as the bits of a float32, as RViz reads it;
    object_id uint32; observed uint8 (1 = the camera saw it, 0 = completed).
    """
    rows = np.zeros(len(cloud.points), POINT)
    for column, name in enumerate("xyz"):
        rows[name] = cloud.points[:, column]
    red, green, blue = cloud.colors.astype(np.uint32).reshape(-1, 3).T
    rows["rgb"] = (red << 16 | green << 8 | blue).view(np.float32)
    rows["object_id"], rows["observed"] = cloud.object_ids, cloud.observed
    return _table(types, update, rows)


def encode_relations(types: MessageTypes, update: SceneUpdate) -> Any:
    """A sensor_msgs/PointCloud2 with a row an edge of the scene graph; it has no points.

    Fields: subject, object uint32 ids of objects (0 = environment); predicate uint8, see
    `encode_relation_labels`; score float32 confidence in [0, 1].
    """
    rows = np.zeros(len(update.relations), EDGE)
    rows["subject"] = [relation.subject for relation in update.relations]
    rows["object"] = [relation.object for relation in update.relations]
    rows["predicate"] = [predicate_number(relation.predicate) for relation in update.relations]
    rows["score"] = [relation.confidence for relation in update.relations]
    return _table(types, update, rows)


def encode_relation_labels(
    types: MessageTypes, update: SceneUpdate, predicates: tuple[str, ...] = PREDICATES
) -> Any:
    """A vision_msgs/LabelInfo: the predicate of each number in `encode_relations`; 255 = other."""
    numbered = [*enumerate(predicates), (OTHER_NUMBER, OTHER_LABEL)]
    classes = [
        types.make("vision_msgs/msg/VisionClass", class_id=number, class_name=predicate)
        for number, predicate in numbered
    ]
    header = types.header(update.stamp_ns, update.frame_id)
    return types.make(LABELS_TYPE, header=header, class_map=classes)


def _table(types: MessageTypes, update: SceneUpdate, rows: np.ndarray) -> Any:
    fields = [
        _field(types, name, kind, offset) for name, (kind, offset) in rows.dtype.fields.items()
    ]
    return types.make(
        CLOUD_TYPE,
        header=types.header(update.stamp_ns, update.frame_id),
        height=1,
        width=len(rows),
        fields=fields,
        is_bigendian=sys.byteorder == "big",
        point_step=rows.dtype.itemsize,
        row_step=rows.nbytes,
        data=types.byte_array(rows.view(np.uint8)),
        is_dense=bool(len(rows) == 0 or all(np.isfinite(rows[n]).all() for n in rows.dtype.names)),
    )


def _field(types: MessageTypes, name: str, kind: np.dtype, offset: int) -> Any:
    field = types.make(
        "sensor_msgs/msg/PointField", offset=offset, datatype=_FIELD_TYPES[kind.str[1:]], count=1
    )
    field.name = name  # `make` calls the type so
    return field
