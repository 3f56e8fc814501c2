"""A true body from its signed distance function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from iscene_ros.core.frames import Cube
from iscene_ros.geometry.marching_cubes import mesh_from_distance
from iscene_ros.lab.evaluation.metrics import ScoredBody
from iscene_ros.lab.evaluation.occupancy import solid_occupancy

RESOLUTION = 64
FACES = 20_000
CHUNK = 200_000


def true_body(
    distance: Callable[[np.ndarray], np.ndarray],
    lower: np.ndarray,
    upper: np.ndarray,
    resolution: int = RESOLUTION,
) -> ScoredBody | None:
    """The body, its surface cut out of a fine grid, its volume asked of the function itself.

    Args:
        distance: signed distance (M,) of points (M, 3) [m], negative inside.
        lower, upper: (3,) corners of a box around the body [m].
        resolution: grid points along the longest edge.

    Returns:
        None where nothing is inside.
    """
    lower, upper = np.asarray(lower, np.float64), np.asarray(upper, np.float64)
    cube = Cube(0.5 * (lower + upper), 1.06 * float((upper - lower).max()))
    points = cube.voxel_centers_aligned(resolution).reshape(-1, 3)
    chunks = np.array_split(points, max(1, len(points) // CHUNK))
    values = np.concatenate([distance(chunk) for chunk in chunks])
    field = values.reshape((resolution,) * 3).astype(np.float32)
    mesh = mesh_from_distance(field, cube, FACES, upsample=1)
    return None if mesh is None else ScoredBody(mesh, solid_occupancy(distance))
