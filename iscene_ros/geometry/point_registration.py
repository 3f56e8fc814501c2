"""Registration of the surfaces that one view shows to those of others, by generalised ICP.

Camera poses are wrong by millimetres and tenths of a degree, so only small corrections are
accepted. A surface may not determine all of a motion: a plane slides without a change. What it does
not determine is left as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

if TYPE_CHECKING:
    import small_gicp

NEIGHBOURS = 20
# Points of the two surfaces further apart than this do not correspond, in a first and a second
# run [m].
CORRESPONDENCE_M = (0.04, 0.015)
MOST_ITERATIONS = 50
# Fewer corresponding points determine nothing.
MIN_POINTS = 40
# Share of the smaller set of points that must find a corresponding one.
MIN_OVERLAP = 0.2
# A component of a motion is determined if point-to-plane distances resist it by more than this
# share of the component that they resist most; noise of normals makes up to 0.022 of it.
MIN_STIFFNESS = 0.03


@dataclass(frozen=True)
class MotionLimits:
    """The largest correction that is accepted.

    Attributes:
        translation: of the points' centroid [m].
        rotation: [rad].
    """

    translation: float = 0.05
    rotation: float = np.deg2rad(3.0)


def register_points(
    points: np.ndarray, reference: np.ndarray, limits: MotionLimits | None = None
) -> np.ndarray | None:
    """Return the rigid motion that lays surface points onto those of a reference.

    Args:
        points: (M, 3) float64 of the surface to move, about evenly sampled [m].
        reference: (K, 3) float64 in the same frame [m].
        limits: the largest motion.

    Returns:
        (4, 4) float64 rigid transform, or None if the overlap is too small or the motion is too
        large to be an error of a camera pose.
    """
    if min(len(points), len(reference)) < MIN_POINTS:
        return None
    limits = limits or MotionLimits()
    center = reference.mean(axis=0)
    source, target = _surface(points - center), _surface(reference - center)
    motion = None
    for correspondence in CORRESPONDENCE_M:
        found = _register_once(source[0], target, correspondence, limits, motion)
        motion = motion if found is None else found
    if motion is not None:
        motion[:3, 3] += center - motion[:3, :3] @ center
    return motion


def _register_once(
    source: small_gicp.PointCloud,
    target: tuple[small_gicp.PointCloud, small_gicp.KdTree],
    correspondence: float,
    limits: MotionLimits,
    start: np.ndarray | None,
) -> np.ndarray | None:
    """Return a start (4, 4) followed by the motion from there on; None where that is refused."""
    import small_gicp

    start = np.eye(4) if start is None else start
    result = small_gicp.align(
        target[0],
        source,
        target[1],
        start,
        registration_type="GICP",
        max_correspondence_distance=correspondence,
        rotation_epsilon=1e-4,
        translation_epsilon=1e-4,
        max_iterations=MOST_ITERATIONS,
    )
    if not result.converged or result.num_inliers < MIN_OVERLAP * min(
        source.size(), target[0].size()
    ):
        return None
    motion = np.asarray(result.T_target_source, np.float64) @ np.linalg.inv(start)
    points, normals = (source.points() @ start.T)[:, :3], (source.normals() @ start.T)[:, :3]
    turn, shift = _determined(motion, points, normals)
    if np.linalg.norm(shift) > limits.translation or np.linalg.norm(turn) > limits.rotation:
        return None
    return _about(points.mean(axis=0), turn, shift) @ start


def _surface(sample: np.ndarray) -> tuple[small_gicp.PointCloud, small_gicp.KdTree]:
    import small_gicp  # a compiled library: loaded when several views are used

    cloud = small_gicp.PointCloud(sample)
    tree = small_gicp.KdTree(cloud)
    small_gicp.estimate_normals_covariances(cloud, tree, num_neighbors=NEIGHBOURS)
    return cloud, tree


def _determined(
    motion: np.ndarray, points: np.ndarray, normals: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the components of a motion that the surface determines, about the points' centroid.

    Directions are the eigenvectors of the mean outer product of the point-to-plane distances'
    derivatives by the six components of a motion, lengths in units of the surface's size (Gelfand
    et al., 3DIM 2003); weak ones are left out (Zhang et al., ICRA 2016).

    Returns:
        (3,) rotation vector [rad] and (3,) translation of the centroid [m].
    """
    centroid = points.mean(axis=0)
    arms = points - centroid
    size = np.sqrt(np.mean(np.sum(arms**2, axis=1)))
    derivatives = np.hstack([np.cross(arms / size, normals), normals])
    stiffness, directions = np.linalg.eigh(derivatives.T @ derivatives / len(points))
    strong = directions[:, stiffness >= MIN_STIFFNESS * stiffness[-1]]
    turn = Rotation.from_matrix(motion[:3, :3]).as_rotvec()
    shift = motion[:3, :3] @ centroid + motion[:3, 3] - centroid
    kept = strong @ (strong.T @ np.concatenate([turn * size, shift]))
    return kept[:3] / size, kept[3:]


def _about(center: np.ndarray, turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """(4, 4) transform that turns about a centre [m] by a rotation vector [rad], then shifts."""
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
    transform[:3, 3] = center + shift - transform[:3, :3] @ center
    return transform
