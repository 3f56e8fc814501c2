"""The areas of a mesh's triangles, fast."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.scene import Mesh


def triangle_areas(mesh: Mesh) -> np.ndarray:
    """(F,) float64 [m²]; not finite where a corner is not."""
    # One plain array a coordinate: gathers are several times faster than of (V, 3) rows.
    x, y, z = np.ascontiguousarray(mesh.vertices.T, np.float64)
    a, b, c = np.ascontiguousarray(mesh.faces.T)
    (x1, x2), (y1, y2), (z1, z2) = ((k[b] - k[a], k[c] - k[a]) for k in (x, y, z))
    squared = (y1 * z2 - z1 * y2) ** 2 + (z1 * x2 - x1 * z2) ** 2 + (x1 * y2 - y1 * x2) ** 2
    return np.sqrt(squared) / 2
