"""Points on the completed surfaces of the object map as sensor_msgs/PointCloud2."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from iscene_ros.core.scene import Mesh, SceneObject
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.geometry.mesh_measures import triangle_areas
from iscene_ros.ros.messages import MessageTypes

CLOUD_TYPE = "sensor_msgs/msg/PointCloud2"
SEED = 0
# Datatype constants of sensor_msgs/PointField by numpy's name of the type.
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


def encode_cloud(types: MessageTypes, update: SceneUpdate, points_per_object: int) -> Any:
    """Return a sensor_msgs/PointCloud2 of `surface_points`, in the frame of the update."""
    rows = surface_points(update, points_per_object)
    fields = [
        types.make(
            "sensor_msgs/msg/PointField",
            name=name,
            offset=offset,
            datatype=_FIELD_TYPES[kind.str[1:]],
            count=1,
        )
        for name, (kind, offset) in POINT.fields.items()
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
        is_dense=all(bool(np.isfinite(rows[axis]).all()) for axis in "xyz"),
    )


def surface_points(update: SceneUpdate, points_per_object: int) -> np.ndarray:
    """Sample every object's surface evenly; the same update gives the same points.

    Args:
        update: the object map.
        points_per_object: samples of each mesh; a mesh without area has none.

    Returns:
        (N,) structured array of type `POINT`: x, y, z float32 [m] in the frame of the update; rgb,
        which is 0x00RRGGBB as the bits of a float32, as RViz reads it; object_id uint32; observed
        uint8 (1 = the camera saw it, 0 = completed).
    """
    parts = []
    for tracked in update.objects:
        points, observed = _object_samples(tracked.item, points_per_object)
        rows = np.zeros(len(points), POINT)
        for column, axis in enumerate("xyz"):
            rows[axis] = points[:, column]
        red, green, blue = (int(channel) for channel in tracked.item.color)
        rows["rgb"] = np.uint32(red << 16 | green << 8 | blue).view(np.float32)
        rows["object_id"], rows["observed"] = tracked.id, observed
        parts.append(rows)
    # `np.concatenate` alone would drop the padding of `POINT`.
    cloud = np.zeros(sum(map(len, parts)), POINT)
    return np.concatenate(parts, out=cloud) if parts else cloud


def _object_samples(item: SceneObject, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 3) float64 points in the frame of the update [m] and (N,) uint8 observed."""
    faces, weights = _sample(item.mesh, count)
    corners = item.mesh.faces[faces]
    points = np.einsum("nc,ncd->nd", weights, item.mesh.vertices[corners])
    rotation, translation = item.frame_from_object[:3, :3], item.frame_from_object[:3, 3]
    flags = item.vertex_observed
    observed = np.zeros(len(points), np.uint8)
    if flags is not None:
        # The corner with the largest weight stands for the nearest one.
        nearest = np.take_along_axis(corners, weights.argmax(1)[:, None], axis=1)[:, 0]
        observed = np.asarray(flags)[nearest].astype(np.uint8)
    return points @ rotation.T + translation, observed


def _sample(mesh: Mesh, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return faces (N,) and barycentric weights (N, 3) of points at equal steps of area.

    `trimesh.sample.sample_surface` draws faces at random, which leaves gaps and clusters, and takes
    ten times as long, because it hashes every array.
    """
    areas = np.cumsum(triangle_areas(mesh))
    if not (len(areas) and areas[-1] > 0):
        return np.empty(0, np.int64), np.empty((0, 3))
    steps = (np.arange(count) + 0.5) / count * areas[-1]
    faces = np.minimum(np.searchsorted(areas, steps, side="right"), len(areas) - 1)
    # Folding the unit square over its diagonal makes a uniform triangle of it.
    square = np.random.default_rng(SEED).random((count, 2))
    square = np.where(square.sum(1, keepdims=True) > 1, 1 - square, square)
    return faces, np.column_stack([1 - square.sum(1), square])
