"""The gravity-aligned frame: the view-centric space of I-Scene (arXiv 2512.13683) in metres.

z points up against gravity, y is the camera's horizontal viewing direction, x is image right; the
camera's pitch is not baked in. The origin is the camera's centre, the unit the metre. A `Cube` is
an axis-aligned part of it; inside it coordinates run from -0.5 to 0.5 as in the release.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.core.errors import InputError

# Within this angle of the vertical the viewing direction has no usable heading, and the image's
# own up (or down) direction takes its place; both agree for a camera without roll.
VERTICAL_CONE_RAD = np.deg2rad(15.0)


@dataclass(frozen=True)
class GravityAlignedFrame:
    """The rotation between the camera's optical frame and the gravity-aligned frame.

    Attributes:
        aligned_from_camera: (3, 3) float64 rotation; both frames share the camera's centre.
    """

    aligned_from_camera: np.ndarray

    @classmethod
    def from_gravity(cls, gravity_camera: np.ndarray) -> GravityAlignedFrame:
        """Return the frame of a camera; `gravity_camera` is (3,), of any length."""
        up = -np.asarray(gravity_camera, np.float64) / np.linalg.norm(gravity_camera)
        heading = np.array([0.0, 0.0, 1.0])
        if np.hypot(*up[:2]) <= np.sin(VERTICAL_CONE_RAD):
            heading = np.array([0.0, -1.0, 0.0]) if up[2] < 0 else np.array([0.0, 1.0, 0.0])
        y = heading - up * (heading @ up)
        y /= np.linalg.norm(y)
        return cls(np.stack([np.cross(y, up), y, up]))

    def from_camera(self, points_camera: np.ndarray) -> np.ndarray:
        """Transform (..., 3) points_camera [m] to points_aligned [m]."""
        return np.asarray(points_camera) @ self.aligned_from_camera.T

    def to_camera(self, points_aligned: np.ndarray) -> np.ndarray:
        """Transform (..., 3) points_aligned [m] to points_camera [m]."""
        return np.asarray(points_aligned) @ self.aligned_from_camera

    def camera_from_aligned(self) -> np.ndarray:
        """Return the (4, 4) float64 transform to the camera frame."""
        transform = np.eye(4)
        transform[:3, :3] = self.aligned_from_camera.T
        return transform


@dataclass(frozen=True)
class Cube:
    """An axis-aligned cube in the gravity-aligned frame.

    Attributes:
        center_aligned: (3,) float64 [m].
        size: edge length [m].
    """

    center_aligned: np.ndarray
    size: float

    def from_aligned(self, points_aligned: np.ndarray) -> np.ndarray:
        """Transform (..., 3) points_aligned [m] to cube coordinates in [-0.5, 0.5]."""
        return (np.asarray(points_aligned) - self.center_aligned) / self.size

    def to_aligned(self, points_cube: np.ndarray) -> np.ndarray:
        """Transform (..., 3) cube coordinates to points_aligned [m]."""
        return np.asarray(points_cube) * self.size + self.center_aligned

    def overlaps(self, other: Cube) -> bool:
        """Return whether two cubes of one gravity-aligned frame have a point in common."""
        apart = np.abs(self.center_aligned - other.center_aligned)
        return bool(np.all(apart <= 0.5 * (self.size + other.size)))

    def voxel_centers_aligned(self, resolution: int) -> np.ndarray:
        """Return (R, R, R, 3) float64 voxel centres [m], indexed x, y, z.

        In cube coordinates the centre of voxel i is (i + 0.5) / R - 0.5.
        """
        axis = (np.arange(resolution) + 0.5) / resolution - 0.5
        grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
        return self.to_aligned(grid)


def gravity_from_pose(world_from_camera: np.ndarray) -> np.ndarray:
    """Return the (3,) unit gravity in the camera frame, for a world whose z points up."""
    return -np.asarray(world_from_camera, np.float64)[2, :3]


def check_rigid(transform: np.ndarray, name: str) -> np.ndarray:
    """Return the (4, 4) float64 transform, if it is rigid.

    Raises:
        InputError: wrong size, not finite, or no rotation and translation.
    """
    transform = np.asarray(transform, np.float64)
    if transform.size != 16:
        raise InputError(f"{name}: {transform.size} numbers, expected 16 (4 x 4, row major)")
    transform = transform.reshape(4, 4)
    if not np.all(np.isfinite(transform)):
        raise InputError(f"{name}: not finite; check the camera pose")
    rotation = transform[:3, :3]
    # The plain difference, as `np.allclose` takes longer than all the rest.
    rigid = np.abs(rotation @ rotation.T - np.eye(3)).max() <= 1e-3 and np.linalg.det(rotation) > 0
    if not rigid or np.abs(transform[3] - [0, 0, 0, 1]).max() > 1e-5:
        raise InputError(
            f"{name}: not a rigid transform (rotation, translation, last row 0 0 0 1); "
            "check that it is row major and camera -> world"
        )
    u, _, vt = np.linalg.svd(rotation)
    rigid_transform = np.eye(4)
    rigid_transform[:3, :3] = u @ vt
    rigid_transform[:3, 3] = transform[:3, 3]
    return rigid_transform
