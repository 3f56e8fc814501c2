"""A closed surface that touches itself along edges, as collapses leave it, taken apart there."""

from __future__ import annotations

import numpy as np

# How far a new corner moves from the edge into the body, as a share of the way across it.
STEP_ASIDE = 0.05

# Of an edge with more than four triangles a pair is taken apart at a time.
ROUNDS = 4

Triangle = tuple[int, int, int]


def separated(corners: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The surface with at most two triangles at an edge, where that is possible.

    Where four triangles meet at an edge, two thin parts of the body touch. The two triangles around
    the narrower part get a corner of their own on that edge, a little inside the part. Triangles
    that lie back to back enclose nothing and are dropped.

    Args:
        corners: (V, 3) float64.
        triangles: (F, 3), each edge as often one way as the other.
    """
    for _ in range(ROUNDS):
        corners, triangles = _distinct(corners, triangles)
        crowded = _crowded_edges(triangles, len(corners))
        if not len(crowded):
            break
        corners, triangles = _split_narrow_parts(corners, triangles, crowded)
    return corners, triangles


def _distinct(corners: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """No two triangles on the same corners, and none that repeats a corner.

    Opposite ones cancel; of equal ones all but the first get a corner in their middle.
    """
    _, group = np.unique(np.sort(triangles, axis=1), axis=0, return_inverse=True)
    group = group.ravel()
    # The same for each rotation of the corners, the opposite for each reversal, 0 for a repetition.
    sense = np.sign(np.roll(triangles, -1, axis=1) - triangles).prod(axis=1)
    rest = np.bincount(group, weights=sense)[group]
    rank = _rank(2 * group + (sense > 0))
    stays = (sense * rest > 0) & (rank < np.abs(rest))
    copies = triangles[stays & (rank > 0)]
    middle = len(corners) + np.arange(len(copies))
    a, b, c = copies.T
    fans = [np.stack([start, end, middle], 1) for start, end in ((a, b), (b, c), (c, a))]
    corners = np.concatenate([corners, corners[copies].mean(axis=1)])
    return corners, np.concatenate([triangles[stays & (rank == 0)], *fans])


def _rank(keys: np.ndarray) -> np.ndarray:
    """(N,) how many equal keys precede each."""
    order = np.argsort(keys, kind="stable")
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys)) - np.searchsorted(keys[order], keys[order])
    return rank


def _crowded_edges(triangles: np.ndarray, vertex_count: int) -> np.ndarray:
    """(E, 2) edges, lower number first, that more than two triangles have."""
    ends = np.stack([triangles, np.roll(triangles, -1, axis=1)], -1).reshape(-1, 2).astype(np.int64)
    keys, count = np.unique(ends.min(axis=1) * vertex_count + ends.max(axis=1), return_counts=True)
    return np.stack(np.divmod(keys[count > 2], vertex_count), 1)


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
    """The two triangles at an edge with the least angle of the body's inside between them."""
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
    """Direction of an apex seen along the edge."""
    along = corners[high] - corners[low]
    along = along / max(np.linalg.norm(along), np.finfo(float).tiny)
    across = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
    offset = corners[apex] - corners[low]
    return float(np.arctan2(offset @ np.cross(along, across), offset @ across))


def _apex(triangle: Triangle, low: int, high: int) -> int:
    return next(corner for corner in triangle if corner not in (low, high))
