"""The surface of an environment volume as few triangles, none of them in an object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from iscene_ros.core.scene import Mesh, SceneObject
from iscene_ros.geometry.decimation import decimated
from iscene_ros.geometry.mesh_measures import triangle_areas

# MoveIt is slow with more triangles; flat parts need few of them.
MAX_FACES = 5000
# A part with a smaller surface is noise [m^2].
LEAST_AREA_M2 = 0.003
# What lies outside of an object by less than this belongs to the object: its surface is not known
# better, and a gripper has to get there [m].
OBJECT_MARGIN_M = 0.005


def environment_mesh(surface: Mesh, objects: Sequence[SceneObject]) -> Mesh:
    """Return a surface without small parts and without what lies in objects, decimated.

    Args:
        surface: in the frame of the objects' poses.
        objects: with closed meshes.
    """
    inside = _are_in_objects(surface.vertices, objects, OBJECT_MARGIN_M)
    kept = Mesh(surface.vertices, surface.faces[~inside[surface.faces].any(axis=1)])
    if len(kept.faces):
        ends = np.concatenate([kept.faces[:, :2], kept.faces[:, 1:]])
        shape = (len(kept.vertices),) * 2
        links = coo_matrix((np.ones(len(ends), bool), ends.T), shape=shape)
        part = connected_components(links, directed=False)[1][kept.faces[:, 0]]
        area = np.bincount(part, weights=triangle_areas(kept))
        kept = Mesh(kept.vertices, kept.faces[area[part] >= LEAST_AREA_M2])
    fewer = decimated(_compact(kept), MAX_FACES)
    # A triangle may have grown across the edge of a hole.
    return _compact(Mesh(fewer.vertices, fewer.faces[~_enter_objects(fewer, objects)]))


def enters_objects(mesh: Mesh, objects: Sequence[SceneObject]) -> bool:
    """Return whether a corner, the middle or an edge's middle of a triangle lies in an object."""
    return bool(_enter_objects(mesh, objects).any())


def _enter_objects(mesh: Mesh, objects: Sequence[SceneObject]) -> np.ndarray:
    """Return (F,) bool, as of `enters_objects`."""
    corners = mesh.vertices[mesh.faces]
    middles = 0.5 * (corners + np.roll(corners, 1, axis=1))
    points = np.concatenate([corners, middles, corners.mean(axis=1, keepdims=True)], axis=1)
    inside = _are_in_objects(points.reshape(-1, 3), objects, 0.0)
    return inside.reshape(points.shape[:2]).any(axis=1)


def _are_in_objects(
    points: np.ndarray, objects: Sequence[SceneObject], margin: float
) -> np.ndarray:
    """Return (V,) bool: which points (V, 3) lie in an object or within a margin of it [m]."""
    inside = np.zeros(len(points), bool)
    for item in objects:
        if not len(item.mesh.faces):
            continue
        position = item.frame_from_object[:3, 3].astype(np.float32)
        radius = np.linalg.norm(item.mesh.vertices, axis=1).max() + margin
        near = np.flatnonzero(np.all(np.abs(points - position) <= radius, axis=1) & ~inside)
        local = (points[near] - position) @ item.frame_from_object[:3, :3].astype(np.float32)
        low, high = item.mesh.vertices.min(axis=0), item.mesh.vertices.max(axis=0)
        boxed = np.all((local >= low - margin) & (local <= high + margin), axis=1)
        if boxed.any():
            inside[near[boxed]] = _signed_distance(item.mesh, local[boxed]) < margin
    return inside


def _signed_distance(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """Return (M,) distances of points (M, 3) from a closed mesh [m], negative inside."""
    import open3d

    scene, tensor = open3d.t.geometry.RaycastingScene(), open3d.core.Tensor
    scene.add_triangles(
        tensor(np.ascontiguousarray(mesh.vertices, np.float32)),
        tensor(np.ascontiguousarray(mesh.faces, np.uint32)),
    )
    # Three rays decide what is inside where one would meet an edge.
    points = np.ascontiguousarray(points, np.float32)
    return scene.compute_signed_distance(tensor(points), nsamples=3).numpy()


def _compact(mesh: Mesh) -> Mesh:
    """Return the mesh without vertices that no face names."""
    used, faces = np.unique(mesh.faces, return_inverse=True)
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3).astype(np.int32))
