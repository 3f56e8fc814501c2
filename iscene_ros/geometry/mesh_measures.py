"""Measures of triangle meshes: areas, volume, centre of mass, watertightness, parts."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from iscene_ros.core.scene import Mesh

# A part with less than this share of the largest part's volume is a floater.
LEAST_SHARE = 0.02


def triangle_areas(mesh: Mesh) -> np.ndarray:
    """Return the areas (F,) float64 [m^2]; not finite where a corner is not."""
    # One plain array a coordinate: gathers are several times faster than of (V, 3) rows.
    x, y, z = np.ascontiguousarray(mesh.vertices.T, np.float64)
    a, b, c = np.ascontiguousarray(mesh.faces.T)
    (x1, x2), (y1, y2), (z1, z2) = ((k[b] - k[a], k[c] - k[a]) for k in (x, y, z))
    squared = (y1 * z2 - z1 * y2) ** 2 + (z1 * x2 - x1 * z2) ** 2 + (x1 * y2 - y1 * x2) ** 2
    return np.sqrt(squared) / 2


def signed_volume(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Return (F,) volumes between triangles and the origin, whose sum is that of the body."""
    a, b, c = np.moveaxis(vertices[triangles], 1, 0)
    return np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0


def used_vertices(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the vertices (U, 3) that some face uses."""
    is_used = np.zeros(len(vertices), bool)
    is_used[faces] = True
    return vertices[is_used]


def volume_and_center(vertices: np.ndarray, faces: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the volume [m^3] and the centre of mass (3,) [m] of a solid of uniform density.

    Where the mesh is open or flat, the volume is that of its box, the centre the mean vertex.

    Args:
        vertices: (V, 3) float64 [m].
        faces: (F, 3) with at least one triangle, counter-clockwise from outside.
    """
    used = used_vertices(vertices, faces)
    low, high = used.min(axis=0), used.max(axis=0)
    middle = 0.5 * (low + high)
    parts = signed_volume(vertices - middle, faces)
    volume = float(parts.sum())
    if volume <= 1e-6 * float(np.prod(np.maximum(high - low, 1e-9))):
        return float(np.prod(high - low)), used.mean(axis=0)
    centers = (vertices - middle)[faces].sum(axis=1) / 4.0
    return volume, np.clip(middle + parts @ centers / volume, low, high)


def is_watertight(triangles: np.ndarray, vertex_count: int) -> bool:
    """Return whether each edge of the (F, 3) triangles is used exactly once in each direction."""
    start, end = triangles, np.roll(triangles, -1, axis=1)
    edges = np.sort((start.astype(np.int64) * vertex_count + end).ravel())
    opposite = np.sort((end.astype(np.int64) * vertex_count + start).ravel())
    return bool(np.array_equal(edges, opposite) and np.all(edges[1:] > edges[:-1]))


def components(corners: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the connected part (F,) of each triangle, and the volumes (P,) of the parts.

    Surfaces of cavities have a negative volume.
    """
    start, end = triangles[:, :2].ravel(), triangles[:, 1:].ravel()
    links = coo_array((np.ones(len(start), bool), (start, end)), shape=(len(corners),) * 2)
    _, part_of_corner = connected_components(links, directed=False)
    part = part_of_corner[triangles[:, 0]]
    return part, np.bincount(part, weights=signed_volume(corners, triangles))


def used_corners(
    corners: np.ndarray, triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the used corners, the triangles with indices of these, and the corners' rows."""
    used, renumbered = np.unique(triangles, return_inverse=True)
    return corners[used], renumbered.reshape(-1, 3), used


def without_floaters(
    corners: np.ndarray, triangles: np.ndarray, least_share: float = LEAST_SHARE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mesh without floaters and cavities, in the form of `used_corners`."""
    part, volumes = components(corners, triangles)
    is_large = (volumes > 0) & (volumes >= least_share * volumes.max())
    return used_corners(corners, triangles[is_large[part]])
