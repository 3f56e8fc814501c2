"""Correction of a view's pose by registration to other views of the same scene.

Instances and the surroundings beside them are registered together: the few points of one instance,
seen from another side, determine its motion worse than the pose does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from iscene_ros.core.observation import Observation
from iscene_ros.geometry.facing_surfaces import SeenSurface
from iscene_ros.geometry.point_registration import register_points

# Spacing of the points on instances and on their surroundings [m].
INSTANCE_SPACING_M, SURROUNDINGS_SPACING_M = 0.005, 0.02
# The surroundings count up to this distance from an instance [m].
SURROUNDINGS_REACH_M = 0.1
# Points of two views further apart than this do not show one surface [m].
REACH_M = 0.04


def registered(view: Observation, others: Sequence[Observation]) -> Observation:
    """Return the view with a pose that lays what it shows onto what other views show.

    The pose stays where the views do not determine a small motion.

    Args:
        view: rectified, with a pose.
        others: rectified, with poses in the same world frame; at least one.
    """
    surface = _surface(view)
    reference = SeenSurface.concatenated([_surface(other) for other in others])
    facing = surface.facing(reference, REACH_M), reference.facing(surface, REACH_M)
    motion = register_points(facing[0], sampled(facing[1]))
    if motion is None:
        return view
    return replace(view, world_from_camera=motion @ view.world_from_camera)


def _surface(view: Observation) -> SeenSurface:
    """Return what a view shows of instances and beside them, in the world frame [m]."""
    union = view.masks.any(axis=0)
    instances = sampled(points_world(view, union))
    surroundings = sampled(points_world(view, ~union), SURROUNDINGS_SPACING_M)
    if len(instances) and len(surroundings):
        tree = cKDTree(instances)
        away = tree.query(surroundings, distance_upper_bound=SURROUNDINGS_REACH_M)[0]
        surroundings = surroundings[np.isfinite(away)]
    points = np.concatenate([instances, surroundings])
    return SeenSurface.from_points(points, view.world_from_camera[:3, 3])


def points_world(view: Observation, pixels: np.ndarray) -> np.ndarray:
    """Return the points (M, 3) [m] of those of the pixels (H, W) of a rectified view with depth."""
    rows, columns = np.nonzero(pixels & (view.depth > 0))
    image_points = np.column_stack([columns, rows]).astype(np.float64)
    points_camera = view.camera.unproject(image_points, view.depth[rows, columns])
    pose = view.world_from_camera
    return points_camera @ pose[:3, :3].T + pose[:3, 3]


def sampled(points: np.ndarray, spacing: float = INSTANCE_SPACING_M) -> np.ndarray:
    """Return the mean of the points in each cell of a grid [m]."""
    if not len(points):
        return points
    import small_gicp  # a compiled library: loaded when several views are used

    return small_gicp.voxelgrid_sampling(points, spacing).points()[:, :3]
