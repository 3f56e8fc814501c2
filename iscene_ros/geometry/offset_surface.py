"""Surfaces moved outwards by a distance that is kept on all sides, corners included."""

from __future__ import annotations

import numpy as np
import trimesh

from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.mesh_measures import unit

# A corner moves by the distance over this at most, which is what a tip of 30 degrees needs.
LEAST_COSINE = 0.26
# How the direction of a corner is found: steps, and how much the least moved face counts.
STEPS, SHARPNESS = 40, 12.0
# A corner of an icosahedron around the unit sphere.
ICOSAHEDRON_RADIUS = 1.2585


def offset_surface(mesh: Mesh, distance: float) -> Mesh:
    """Return a mesh whose triangles all lie outside of those of `mesh` by a distance [m].

    Every corner moves so far that each triangle around it is moved by the distance, but no further
    than tips of 30 degrees do; sharper tips, and saddles that no motion clears, get less.
    """
    moved, _ = _moved(mesh, distance)
    return Mesh(moved.astype(np.float32), mesh.faces)


def offset_hull(mesh: Mesh, distance: float) -> Mesh:
    """Return a convex body that is larger than a convex one by a distance [m] or more on all sides.

    Planes move by exactly the distance. Tips sharper than 30 degrees become those of a polyhedron
    around a ball, instead of reaching far out.
    """
    moved, cosine = _moved(mesh, distance)
    tips = mesh.vertices[cosine < LEAST_COSINE].astype(np.float64)
    ball = ICOSAHEDRON_RADIUS * distance * trimesh.creation.icosahedron().vertices
    points = np.concatenate([moved, (tips[:, None] + ball[None]).reshape(-1, 3)])
    hull = trimesh.convex.convex_hull(points)
    return Mesh(np.asarray(hull.vertices, np.float32), np.asarray(hull.faces, np.int32))


def _moved(mesh: Mesh, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (V, 3) moved vertices, and the (V,) least cosine of each way with a normal there."""
    vertices = mesh.vertices.astype(np.float64)
    direction, cosine = _directions(vertices, mesh.faces)
    way = distance / np.maximum(cosine, LEAST_COSINE)
    return vertices + way[:, None] * direction, cosine


def _directions(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (V, 3) unit directions with the largest least cosine to the normals, and that one."""
    corner, normal, weight = _corners(vertices, faces)
    order = np.argsort(corner, kind="stable")
    corner, normal, weight = corner[order], normal[order], weight[order]
    used, starts = np.unique(corner, return_index=True)
    row = np.repeat(np.arange(len(used)), np.diff(np.append(starts, len(corner))))
    direction = unit(np.add.reduceat(weight[:, None] * normal, starts))
    best, best_cosine = direction, _least(direction, normal, row, starts)
    for step in range(1, STEPS + 1):
        dots = np.einsum("ij,ij->i", direction[row], normal)
        pull = np.exp(-SHARPNESS * dots)[:, None] * normal
        direction = unit(direction + unit(np.add.reduceat(pull, starts)) / (1 + step))
        cosine = _least(direction, normal, row, starts)
        better = cosine > best_cosine + 1e-9
        best = np.where(better[:, None], direction, best)
        best_cosine = np.maximum(best_cosine, cosine)
    found, least = np.zeros_like(vertices), np.ones(len(vertices))
    found[used], least[used] = best, best_cosine
    return found, least


def _corners(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertex, unit normal (M, 3) and angle [rad] of every corner of a finite triangle."""
    body = trimesh.Trimesh(vertices, faces, process=False)
    normals = np.cross(*np.moveaxis(np.diff(vertices[faces], axis=1), 1, 0))
    length = np.linalg.norm(normals, axis=1)
    finite = length > 1e-14
    normals = normals[finite] / length[finite, None]
    angles = np.nan_to_num(np.asarray(body.face_angles))[finite]
    return faces[finite].ravel(), np.repeat(normals, 3, axis=0), angles.ravel()


def _least(
    direction: np.ndarray, normal: np.ndarray, row: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    return np.minimum.reduceat(np.einsum("ij,ij->i", direction[row], normal), starts)
