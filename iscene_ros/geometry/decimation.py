"""Fewer triangles by edge collapses (quadric error), safe to ask for from several threads."""

from __future__ import annotations

import threading

import fast_simplification
import numpy as np

from iscene_ros.core.scene import Mesh

# The library keeps the one mesh that it works on in variables of its own, and lets other threads
# in between loading, collapsing and reading back: without a lock two threads mix their meshes.
_ONE_MESH = threading.Lock()


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
