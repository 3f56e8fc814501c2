"""Gravity from the observation, else from the plane that the objects rest on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from skimage.measure import ransac

from iscene_ros.core.observation import Observation

MAX_POINTS = 3000
MIN_POINTS = 50
TRIALS = 300
PLANES = 3

# Inliers lie within this distance, and within this share of the median depth, of the plane.
THRESHOLD_M = 0.005
THRESHOLD_SHARE = 0.008

# A second or third plane has to hold this share of the points to be considered.
MIN_INLIER_FRACTION = 0.1

# The mean up direction of an upright camera that looks level to straight down. A floor or
# table lies within 45 degrees of it; the wall behind lies beyond as soon as the camera looks down.
EXPECTED_UP_CAMERA = np.array([0.0, -1.0, -1.0]) / np.sqrt(2.0)
MAX_ANGLE_RAD = np.deg2rad(75.0)


@dataclass(frozen=True)
class SupportPlane:
    """The plane normal_camera . p + offset = 0 in the camera's optical frame.

    Attributes:
        normal_camera: (3,) unit normal on the camera's side: up.
        offset: height of the camera over the plane [m], positive.
        inlier_fraction: share of the points that lie in the plane.
    """

    normal_camera: np.ndarray
    offset: float
    inlier_fraction: float

    @property
    def gravity_camera(self) -> np.ndarray:
        """Unit direction (3,) of gravity in the camera frame."""
        return -self.normal_camera


class PlaneModel:
    """A plane through points, as old and new versions of skimage's ransac expect models."""

    def __init__(self) -> None:
        self.normal = np.zeros(3)
        self.offset = 0.0

    @classmethod
    def from_estimate(cls, points: np.ndarray) -> PlaneModel | None:
        """Fit the plane of least squares, its normal toward the camera; None for a line."""
        model = cls()
        return model if model.estimate(points) else None

    def estimate(self, points: np.ndarray) -> bool:
        """Fit (M, 3) points; return whether they span a plane."""
        center = points.mean(axis=0)
        _, spread, axes = np.linalg.svd(points - center, full_matrices=False)
        if spread[1] <= 1e-6 * max(spread[0], 1e-12):
            return False
        self.normal, self.offset = axes[2], -float(axes[2] @ center)
        if self.offset < 0:
            self.normal, self.offset = -self.normal, -self.offset
        return True

    def residuals(self, points: np.ndarray) -> np.ndarray:
        """Return the (M,) distances to the plane."""
        return np.abs(points @ self.normal + self.offset)


def find_gravity(observation: Observation) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the (3,) unit gravity in the camera frame, and a warning where it was estimated.

    Args:
        observation: rectified.
    """
    if observation.gravity_camera is not None:
        return observation.gravity_camera, ()
    plane = find_support_plane(observation)
    if plane is None:
        level = np.array([0.0, 1.0, 0.0])
        return level, (
            "gravity: no pose, no --gravity and no support plane in the depth image; "
            "a level camera is assumed",
        )
    tilt = np.degrees(np.arccos(np.clip(plane.normal_camera @ [0.0, 0.0, -1.0], -1, 1)))
    return plane.gravity_camera, (
        f"gravity: no pose given; taken from the dominant support plane "
        f"({100 * plane.inlier_fraction:.0f} % of the points, tilted by {tilt:.0f} deg)",
    )


def find_support_plane(observation: Observation, seed: int = 0) -> SupportPlane | None:
    """Find the support of a view from the pixels outside all masks, or all pixels if they are few.

    Of the three strongest planes that could be a support it is the one with the most points,
    weighted by how close its normal is to an expected up direction. The same view and seed give
    the same plane.

    Args:
        observation: rectified.
        seed: of the random samples.

    Returns:
        The plane, or None where there are too few depth readings or no plane is plausible.
    """
    rng = np.random.default_rng(seed)
    readings = observation.depth > 0
    outside = readings & ~observation.masks.any(axis=0)
    chosen = outside if np.count_nonzero(outside) >= MIN_POINTS else readings
    rows, columns = np.nonzero(chosen)
    if len(rows) < MIN_POINTS:
        return None
    picked = rng.permutation(len(rows))[:MAX_POINTS]
    rows, columns = rows[picked], columns[picked]
    pixels = np.column_stack([columns, rows])
    points_camera = observation.camera.unproject(pixels, observation.depth[rows, columns])
    return plane_of_points(points_camera, rng)


def plane_of_points(points_camera: np.ndarray, rng: np.random.Generator) -> SupportPlane | None:
    """Return the most plausible support among the strongest planes through (M, 3) points [m]."""
    threshold = max(THRESHOLD_M, THRESHOLD_SHARE * float(np.median(points_camera[:, 2])))
    planes, rest = [], points_camera
    while len(planes) < PLANES and len(rest) >= MIN_POINTS:
        model, inliers = _strongest_plane(rest, threshold, rng)
        if model is None or not _could_be_support(model):
            break
        share = float(np.mean(inliers)) * len(rest) / len(points_camera)
        if planes and share < MIN_INLIER_FRACTION:
            break
        planes.append(SupportPlane(model.normal, model.offset, share))
        rest = rest[~inliers]
    return max(planes, key=_plausibility, default=None)


def _strongest_plane(
    points: np.ndarray, threshold: float, rng: np.random.Generator
) -> tuple[PlaneModel | None, np.ndarray | None]:
    with warnings.catch_warnings():
        # "No inliers found" is an expected result here.
        warnings.simplefilter("ignore", UserWarning)
        return ransac(
            points,
            PlaneModel,
            min_samples=3,
            residual_threshold=threshold,
            is_model_valid=_could_be_support,
            max_trials=TRIALS,
            rng=rng,
        )


def _plausibility(plane: SupportPlane) -> float:
    return plane.inlier_fraction * float(plane.normal_camera @ EXPECTED_UP_CAMERA)


def _could_be_support(model: PlaneModel, *_: np.ndarray) -> bool:
    return bool(model.normal @ EXPECTED_UP_CAMERA > np.cos(MAX_ANGLE_RAD))
