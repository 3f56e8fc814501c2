"""The area within which a centre of mass must project for a body to stand."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError


def margin_inside(points: np.ndarray, place: np.ndarray) -> float:
    """How far a place (2,) lies within the convex hull of contact points (M, 2), negative outside.

    -inf where there is no point; minus the distance where they all lie on one line [m].
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(points):
        return -np.inf
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        return -_distance_to_line(points, place)
    margin = -float(np.max(hull.equations[:, :2] @ place + hull.equations[:, 2]))
    if margin >= 0:
        return margin
    corners = points[hull.vertices]
    return -_distance_to_edges(corners, np.roll(corners, -1, axis=0), place)


def _distance_to_line(points: np.ndarray, place: np.ndarray) -> float:
    """To the segment between the two outermost points."""
    middle = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - middle, full_matrices=False)
    along = (points - middle) @ axes[0]
    ends = points[[int(np.argmin(along))]], points[[int(np.argmax(along))]]
    return _distance_to_edges(*ends, place)


def _distance_to_edges(start: np.ndarray, end: np.ndarray, place: np.ndarray) -> float:
    span = end - start
    length = np.maximum((span**2).sum(axis=1), 1e-18)
    along = np.clip(((place - start) * span).sum(axis=1) / length, 0, 1)
    return float(np.linalg.norm(start + along[:, None] * span - place, axis=1).min())
