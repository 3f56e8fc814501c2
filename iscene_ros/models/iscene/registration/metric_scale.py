"""The scale of a scene that was seen without depth: from what the robot knows of its camera."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.models.iscene.registration.options import PlacementOptions
from iscene_ros.models.iscene.registration.result import Similarity

# Heights below this share of a mesh's vertices are strays.
STRAY_SHARE = 0.002


def metric_scale(
    meshes_cube: Sequence[Mesh],
    unit: Similarity,
    observation: Observation,
    options: PlacementOptions,
) -> tuple[float, str, tuple[str, ...]]:
    """The cube's edge [m], what it is from, and warnings.

    The lowest of the shapes stands on a support whose distance below the camera is known.

    Args:
        meshes_cube: shapes that fit.
        unit: their placement of scale 1.
        observation: for its camera pose.
        options: camera_height or support_height.
    """
    height, method, warnings = _camera_height(observation, options)
    if height is None:
        line = (
            "placement: no depth, camera_height or support_height: the scale is unknown, "
            "lengths are in edges of the cube"
        )
        return 1.0, "unit", (*warnings, line)
    lowest = min(_lowest(unit.to_aligned(mesh.vertices)) for mesh in meshes_cube)
    if lowest >= 0 or height <= 0:
        line = (
            f"placement: {method}: the support lies {height:.3g} m below the camera, but the "
            f"scene's lowest point {-lowest:.3g} edges of the cube; the scale stays unknown"
        )
        return 1.0, "unit", (*warnings, line)
    return height / -lowest, method, warnings


def _camera_height(
    observation: Observation, options: PlacementOptions
) -> tuple[float | None, str, tuple[str, ...]]:
    if options.camera_height is not None:
        return options.camera_height, "camera_height", ()
    if options.support_height is None:
        return None, "unit", ()
    if observation.world_from_camera is None:
        line = "placement: support_height needs world_from_camera, which is not given"
        return None, "unit", (line,)
    camera_z = float(observation.world_from_camera[2, 3])
    return camera_z - options.support_height, "support_plane", ()


def _lowest(points_aligned: np.ndarray) -> float:
    """Height of the lowest point below the camera [edges of the cube], negative."""
    return float(np.quantile(points_aligned[:, 2], STRAY_SHARE))
