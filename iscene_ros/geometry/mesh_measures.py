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
    # One plain array a coordinate: gathers are several times faster than of (V, 3) rows.
    corners = np.ascontiguousarray(triangles.T)
    (ax, bx, cx), (ay, by, cy), (az, bz, cz) = (
        along[corners] for along in np.ascontiguousarray(vertices.T)
    )
    volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
    return volume / 6.0


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (..., 3) of length one; those of length zero stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def used_vertices(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the vertices (U, 3) that some face uses."""
    is_used = np.zeros(len(vertices), bool)
    is_used[faces] = True
    return vertices[is_used]


def bounds(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners (3,) of the axis-aligned box of points (P, 3), P > 0 [m]."""
    along = np.ascontiguousarray(points.T)
    return along.min(axis=1), along.max(axis=1)


def volume_and_center(vertices: np.ndarray, faces: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the volume [m^3] and the centre of mass (3,) [m] of a solid of uniform density.

    Where the mesh is open or flat, the volume is that of its box, the centre the mean vertex.

    Args:
        vertices: (V, 3) float64 [m].
        faces: (F, 3) with at least one triangle, counter-clockwise from outside.
    """
    used = used_vertices(vertices, faces)
    low, high = bounds(used)
    middle = 0.5 * (low + high)
    parts = signed_volume(vertices - middle, faces)
    volume = float(parts.sum())
    if volume <= 1e-6 * float(np.prod(np.maximum(high - low, 1e-9))):
        return float(np.prod(high - low)), used.mean(axis=0)
    # The mean of a tetrahedron's corners, of which one is the origin.
    weights = np.bincount(faces.ravel(), np.repeat(parts, 3), len(vertices)) / 4.0
    weighted = weights @ np.where(weights[:, None] != 0, vertices - middle, 0.0)
    return volume, np.clip(middle + weighted / volume, low, high)


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


def without_floaters(
    corners: np.ndarray, triangles: np.ndarray, least_share: float = LEAST_SHARE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Remove floaters and cavities from a mesh.

    Returns:
        The corners that are left, the triangles with indices of these, and the corners' rows.
    """
    part, volumes = components(corners, triangles)
    is_large = (volumes > 0) & (volumes >= least_share * volumes.max())
    used, renumbered = np.unique(triangles[is_large[part]], return_inverse=True)
    return corners[used], renumbered.reshape(-1, 3), used
