"""The fast way to ~/meshes: the CDR bytes of `encode_meshes`, with no Python object a point."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.scene import Mesh
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.core.stamps import SECOND
from iscene_ros.ros.cdr import CdrWriter
from iscene_ros.ros.encode_geometry import quaternion_xyzw
from iscene_ros.ros.mesh_markers import TRIANGLE_LIST, MeshMarker, drawable_faces, mesh_markers


def meshes_cdr(update: SceneUpdate, alpha: float) -> bytes:
    """The bytes of a visualization_msgs/MarkerArray, as `publish` of rclpy and bags take them.

    Args:
        update: the world.
        alpha: opacity in [0, 1].

    Returns:
        What serialising `encode_meshes(types, update, alpha)` gives.
    """
    writer = CdrWriter()
    markers = mesh_markers(update)
    writer.numbers("I", len(markers))
    for marker in markers:
        _write_header(writer, update.stamp_ns, update.frame_id)
        writer.string(marker.namespace)
        _write_shape(writer, marker, alpha)
        _write_unused(writer)
    return writer.data()


def _write_header(writer: CdrWriter, stamp_ns: int, frame_id: str) -> None:
    seconds, nanoseconds = divmod(int(stamp_ns), SECOND)
    writer.numbers("i", seconds)
    writer.numbers("I", nanoseconds)
    writer.string(frame_id)


def _write_shape(writer: CdrWriter, marker: MeshMarker, alpha: float) -> None:
    """From id to colors."""
    item = marker.item
    pose = np.eye(4) if item is None else item.frame_from_object
    scale = 0.0 if item is None else 1.0
    color = (0.0,) * 4 if item is None else (*(int(c) / 255 for c in item.color), alpha)
    points = np.empty((0, 3)) if item is None else _triangle_points(item.mesh)
    writer.numbers("i", marker.id, 0 if item is None else TRIANGLE_LIST, marker.action)
    writer.numbers("d", *pose[:3, 3].tolist(), *quaternion_xyzw(pose), scale, scale, scale)
    writer.numbers("f", *color)
    writer.numbers("i", 0, 0)  # lifetime: for ever
    writer.numbers("?", False)  # frame_locked
    writer.sequence(points, fields=3)
    writer.empty_sequences()  # colors


def _write_unused(writer: CdrWriter) -> None:
    """From texture_resource to mesh_use_embedded_materials."""
    writer.string("")
    _write_header(writer, 0, "")
    writer.string("")
    writer.empty_sequences(2)  # data of the texture, uv_coordinates
    for _ in range(3):  # text, mesh_resource, name of mesh_file
        writer.string("")
    writer.empty_sequences()  # data of mesh_file
    writer.numbers("?", False)


def _triangle_points(mesh: Mesh) -> np.ndarray:
    """(3 F, 3) float64 corners of the triangles [m]."""
    return np.take(mesh.vertices.astype(np.float64), drawable_faces(mesh).ravel(), axis=0)
