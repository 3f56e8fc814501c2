"""Fewer triangles by edge collapses (quadric error), and repair of the edges that they pinch."""

from __future__ import annotations

import threading

import fast_simplification
import numpy as np

from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.mesh_measures import is_watertight, signed_volume

# The library keeps the one mesh that it works on in variables of its own, and lets other threads
# in between loading, collapsing and reading back: without a lock two threads mix their meshes.
_ONE_MESH = threading.Lock()

# Collapsing edges of thin parts may pinch the surface; then it is tried in other orders, and with
# as many faces as these factors allow.
AGGRESSIVENESS = (7.0, 5.0, 9.0)
RELAXED_BUDGETS = (1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 10.0, 15.0)

# Doubled area of the smallest triangle that counts, in squared voxels.
SMALLEST_TRIANGLE = 1e-6

# How far a new corner moves from the edge into the body, as a share of the way across it.
STEP_ASIDE = 0.05
# Of an edge with more than four triangles a pair is taken apart at a time.
ROUNDS = 4
Triangle = tuple[int, int, int]


def decimate(
    corners: np.ndarray, triangles: np.ndarray, faces: int, aggressiveness: float = 7.0
) -> tuple[np.ndarray, np.ndarray]:
    """Reduce a surface to about `faces` triangles; thin parts may be pinched.

    Args:
        corners: (V, 3) float32 or float64.
        triangles: (F, 3) int32 or int64.
        faces: how many triangles to keep, at most F.
        aggressiveness: how fast the error that a collapse may make grows.

    Returns:
        (V', 3) corners of the same dtype and (F', 3) triangles.
    """
    with _ONE_MESH:
        return fast_simplification.simplify(
            corners, triangles, target_count=faces, agg=aggressiveness
        )


def decimated(mesh: Mesh, faces: int) -> Mesh:
    """Return the mesh with at most about `faces` triangles."""
    if len(mesh.faces) <= faces:
        return mesh
    vertices, triangles = decimate(
        mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), faces
    )
    return Mesh(vertices, triangles.astype(np.int32))


def decimate_closed(
    corners: np.ndarray, triangles: np.ndarray, faces: int
) -> tuple[np.ndarray, np.ndarray]:
    """Reduce a closed surface to `faces` triangles, or to a few more where it would open.

    Args:
        corners: (V, 3) float64 [cells of the grid that the surface was cut from].
        triangles: (F, 3), closed.
        faces: triangle budget.
    """
    for factor in RELAXED_BUDGETS:
        budget = int(factor * faces)
        if budget >= len(triangles):
            break
        for aggressiveness in AGGRESSIVENESS:
            fewer = decimate(corners, triangles, budget, aggressiveness)
            if len(fewer[1]) > RELAXED_BUDGETS[1] * budget:
                continue
            if not _is_sound(*fewer):
                fewer = separated(*fewer)
            if _is_sound(*fewer):
                return fewer
    return corners, triangles


def _is_sound(corners: np.ndarray, triangles: np.ndarray) -> bool:
    if len(triangles) < 4 or not is_watertight(triangles, len(corners)):
        return False
    a, b, c = np.moveaxis(corners[triangles], 1, 0)
    doubled_area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    volume = signed_volume(corners, triangles).sum()
    return bool(doubled_area.min() > SMALLEST_TRIANGLE and volume > 0)


def separated(corners: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take a surface apart until at most two triangles meet at an edge, where possible.

    Where four triangles meet at an edge, two thin parts of the body touch. The two triangles around
    the narrower part get a corner of their own on that edge, a little inside the part. Triangles
    that lie back to back enclose nothing and are dropped.

    Args:
        corners: (V, 3) float64.
        triangles: (F, 3), each edge as often one way as the other.
    """
    for _ in range(ROUNDS):
        corners, triangles = _distinct(corners, triangles)
        # Edges, the lower number first, of more than two triangles.
        ends = np.stack([triangles, np.roll(triangles, -1, axis=1)], -1)
        ends = np.sort(ends.reshape(-1, 2).astype(np.int64), axis=1)
        edges, count = np.unique(ends, axis=0, return_counts=True)
        crowded = edges[count > 2]
        if not len(crowded):
            break
        corners, triangles = _split_narrow_parts(corners, triangles, crowded)
    return corners, triangles


def _distinct(corners: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Remove triangles that repeat a corner, and leave no two on the same corners.

    Opposite ones cancel; of equal ones all but the first get a corner in their middle.
    """
    _, group = np.unique(np.sort(triangles, axis=1), axis=0, return_inverse=True)
    group = group.ravel()
    # The same for each rotation of the corners, the opposite for each reversal, 0 for a repetition.
    sense = np.sign(np.roll(triangles, -1, axis=1) - triangles).prod(axis=1)
    rest = np.bincount(group, weights=sense)[group]
    # How many of the same kind come before each.
    keys = 2 * group + (sense > 0)
    order = np.argsort(keys, kind="stable")
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys)) - np.searchsorted(keys[order], keys[order])
    stays = (sense * rest > 0) & (rank < np.abs(rest))
    copies = triangles[stays & (rank > 0)]
    middle = len(corners) + np.arange(len(copies))
    a, b, c = copies.T
    fans = [np.stack([start, end, middle], 1) for start, end in ((a, b), (b, c), (c, a))]
    corners = np.concatenate([corners, corners[copies].mean(axis=1)])
    return corners, np.concatenate([triangles[stays & (rank == 0)], *fans])


def _split_narrow_parts(
    corners: np.ndarray, triangles: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    is_end = np.zeros(len(corners), bool)
    is_end[edges] = True
    near = is_end[triangles].sum(axis=1) >= 2
    # Triangles at each end; dictionaries as sets that keep the order of insertion.
    at = {end: {} for end in np.flatnonzero(is_end).tolist()}
    for triangle in map(tuple, triangles[near].tolist()):
        _add(at, triangle)
    points = np.concatenate([corners, np.zeros((len(edges), 3))])
    count = len(corners)
    for low, high in edges.tolist():
        pair = _narrowest_part(points, [t for t in at[low] if t in at[high]], low, high)
        if pair is None:
            continue
        aside = points[[_apex(triangle, low, high) for triangle in pair]].mean(axis=0)
        middle = (points[low] + points[high]) / 2
        points[count] = middle + STEP_ASIDE * (aside - middle)
        for triangle in pair:
            _remove(at, triangle)
            for end in (low, high):
                _add(at, tuple(count if corner == end else corner for corner in triangle))
        count += 1
    touched = list(dict.fromkeys(t for here in at.values() for t in here))
    return points[:count], np.concatenate([triangles[~near], np.array(touched)])


def _add(at: dict[int, dict], triangle: Triangle) -> None:
    for corner in triangle:
        if corner in at:
            at[corner][triangle] = None


def _remove(at: dict[int, dict], triangle: Triangle) -> None:
    for corner in triangle:
        if corner in at:
            del at[corner][triangle]


def _narrowest_part(
    corners: np.ndarray, here: list[Triangle], low: int, high: int
) -> tuple[Triangle, Triangle] | None:
    """Return the two triangles at an edge with the least inner angle between them."""
    forward = [t for t in here if t[t.index(low) - 2] == high]
    backward = [t for t in here if t[t.index(high) - 2] == low]
    if len(forward) < 2 or len(forward) != len(backward):
        return None
    angle = {t: _angle(corners, _apex(t, low, high), low, high) for t in here}
    # Right-handed about the edge the outside follows a triangle that runs forward along it.
    return min(
        ((f, b) for f in forward for b in backward),
        key=lambda pair: ((angle[pair[0]] - angle[pair[1]]) % (2 * np.pi), pair),
    )


def _angle(corners: np.ndarray, apex: int, low: int, high: int) -> float:
    """Return the direction [rad] of an apex around the edge."""
    along = corners[high] - corners[low]
    along = along / max(np.linalg.norm(along), np.finfo(float).tiny)
    across = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
    offset = corners[apex] - corners[low]
    return float(np.arctan2(offset @ np.cross(along, across), offset @ across))


def _apex(triangle: Triangle, low: int, high: int) -> int:
    return next(corner for corner in triangle if corner not in (low, high))
