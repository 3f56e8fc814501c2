"""The markers of ~/meshes built from message objects, as a reference for their CDR bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.ros.common_messages import (
    encode_color,
    encode_pose,
    encode_vector,
)
from iscene_ros.ros.mesh_markers import (
    MARKERS_TYPE,
    TRIANGLE_LIST,
    MeshMarker,
    drawable_faces,
    mesh_markers,
)
from iscene_ros.ros.messages import MessageTypes

MARKER_TYPE = "visualization_msgs/msg/Marker"


def encode_meshes(types: MessageTypes, update: SceneUpdate, alpha: float) -> Any:
    """Return the MarkerArray whose bytes `meshes_cdr` writes."""
    header = types.header(update.stamp_ns, update.frame_id)
    markers = [_marker(types, header, marker, alpha) for marker in mesh_markers(update)]
    return types.make(MARKERS_TYPE, markers=markers)


def _marker(types: MessageTypes, header: Any, marker: MeshMarker, alpha: float) -> Any:
    values = {"header": header, "ns": marker.namespace, "id": marker.id, "action": marker.action}
    if marker.mesh is None:
        return types.make(MARKER_TYPE, **values, pose=encode_pose(types, np.eye(4)))
    mesh = marker.mesh
    corners = mesh.vertices[drawable_faces(mesh).ravel()].astype(np.float64).tolist()
    return types.make(
        MARKER_TYPE,
        **values,
        type=TRIANGLE_LIST,
        pose=encode_pose(types, marker.frame_from_mesh),
        scale=encode_vector(types, np.ones(3)),
        color=encode_color(types, marker.color, alpha),
        points=[types.make("geometry_msgs/msg/Point", x=x, y=y, z=z) for x, y, z in corners],
    )
