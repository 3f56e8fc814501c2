"""Fewer triangles by edge collapses (quadric error), safe to ask for from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

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

Repair = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def decimate(
    corners: np.ndarray, triangles: np.ndarray, faces: int, aggressiveness: float = 7.0
) -> tuple[np.ndarray, np.ndarray]:
    """A surface of about `faces` triangles, which may be pinched where it is thin.

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
    """The mesh with about so many triangles at most."""
    if len(mesh.faces) <= faces:
        return mesh
    vertices, triangles = decimate(
        mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), faces
    )
    return Mesh(vertices, triangles.astype(np.int32))


def decimate_closed(
    corners: np.ndarray, triangles: np.ndarray, faces: int, repair: Repair | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """At most `faces` triangles where edge collapses keep the surface closed, else a few more.

    Args:
        corners: (V, 3) float64 [cells of the grid that the surface was cut from].
        triangles: (F, 3), closed.
        faces: triangle budget.
        repair: applied to the outcome of collapses, before it is judged.
    """
    for factor in RELAXED_BUDGETS:
        budget = int(factor * faces)
        if budget >= len(triangles):
            break
        for aggressiveness in AGGRESSIVENESS:
            fewer = decimate(corners, triangles, budget, aggressiveness)
            if len(fewer[1]) > RELAXED_BUDGETS[1] * budget:
                continue
            fewer = fewer if repair is None else repair(*fewer)
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
