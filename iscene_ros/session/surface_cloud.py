"""Points on the completed surfaces of a world, and whether the camera saw them."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.scene import Mesh, SceneObject
from iscene_ros.core.scene_update import SceneUpdate, SurfaceCloud
from iscene_ros.geometry.mesh_measures import triangle_areas

SEED = 0


def surface_cloud(update: SceneUpdate, points_per_object: int) -> SurfaceCloud:
    """Even samples of every object's surface; the same update gives the same points.

    Args:
        update: the world.
        points_per_object: samples of each mesh; a mesh without area has none.
    """
    samples = [_object_samples(known.item, points_per_object) for known in update.objects]
    counts = [len(points) for points, _ in samples]
    ids = np.array([known.id for known in update.objects], np.uint32)
    colors = np.array([known.item.color for known in update.objects], np.uint8).reshape(-1, 3)
    return SurfaceCloud(
        points=np.concatenate([np.empty((0, 3), np.float32), *(points for points, _ in samples)]),
        object_ids=np.repeat(ids, counts),
        observed=np.concatenate([np.empty(0, np.uint8), *(observed for _, observed in samples)]),
        colors=np.repeat(colors, counts, axis=0),
    )


def _object_samples(item: SceneObject, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) float32 points in the frame of the update [m] and (N,) uint8 observed."""
    faces, weights = _sample(item.mesh, count)
    corners = item.mesh.faces[faces]
    points = np.einsum("nc,ncd->nd", weights, item.mesh.vertices[corners])
    rotation, translation = item.frame_from_object[:3, :3], item.frame_from_object[:3, 3]
    flags = item.vertex_observed
    observed = np.zeros(len(points), np.uint8)
    if flags is not None:
        # The heaviest corner stands for the nearest one.
        nearest = np.take_along_axis(corners, weights.argmax(1)[:, None], axis=1)[:, 0]
        observed = np.asarray(flags)[nearest].astype(np.uint8)
    return (points @ rotation.T + translation).astype(np.float32), observed


def _sample(mesh: Mesh, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces (N,) and barycentric weights (N, 3) of points one step of area apart.

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
