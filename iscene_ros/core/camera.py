"""The pinhole camera with plumb-bob or rational-polynomial distortion.

Its frame is the optical one: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from iscene_ros.core.errors import InputError

# The widest view that a pinhole model describes [rad].
WIDEST_VIEW_RAD = np.deg2rad(165.0)
# Focal lengths of one image differ by binning of rows or columns, by no more than this factor.
LARGEST_FOCAL_RATIO = 8.0
_COEFFICIENTS = {"plumb_bob": 5, "rational_polynomial": 8}


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one image.

    Attributes:
        width, height: image size [pixels].
        k: (3, 3) float64 pinhole matrix [pixels]; pixel centres have integer coordinates.
        d: (5,) float64 plumb-bob coefficients k1, k2, p1, p2, k3, or (8,) with k4, k5, k6 of the
            rational polynomial (OpenCV's order); zeros for a rectified image.

    Raises:
        InputError: a size is not positive, K is not finite or singular, D is not 4, 5 or 8
            finite numbers (none = a rectified image).
    """

    width: int
    height: int
    k: np.ndarray
    d: np.ndarray = field(default_factory=lambda: np.zeros(5))

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", _matrix(self.k))
        object.__setattr__(self, "d", _distortion(self.d))
        if self.width < 1 or self.height < 1:
            raise InputError(f"camera: size {self.width} x {self.height} is not positive")

    @classmethod
    def from_fov(cls, width: int, height: int, horizontal_fov_rad: float) -> Camera:
        """Return a camera with square pixels whose optical axis meets the middle of the image.

        Args:
            width, height: image size [pixels].
            horizontal_fov_rad: angle between the left and the right edge of the image [rad].

        Raises:
            InputError: the angle is not between 0 and pi.
        """
        if not 0 < horizontal_fov_rad < np.pi:
            raise InputError(
                f"camera: horizontal field of view {horizontal_fov_rad} rad, "
                "expected more than 0 and less than pi radians"
            )
        focal = width / 2 / np.tan(horizontal_fov_rad / 2)
        cx, cy = (width - 1) / 2, (height - 1) / 2
        return cls(width, height, np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1]]))

    @property
    def is_rectified(self) -> bool:
        """Whether the image has no lens distortion."""
        return not np.any(self.d)

    def unproject(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Return the points in the camera frame that rectified pixels show.

        Args:
            pixels: (M, 2) float, (u, v) [pixels].
            depth: (M,) float, distance along the optical axis [m].

        Returns:
            (M, 3) float64 points_camera [m].
        """
        homogeneous = np.column_stack([pixels, np.ones(len(pixels))])
        return (homogeneous @ np.linalg.inv(self.k).T) * np.asarray(depth, np.float64)[:, None]

    def project(self, points_camera: np.ndarray) -> np.ndarray:
        """Project (M, 3) points_camera [m] to (M, 2) rectified pixels (u, v); z must not be 0."""
        normalised = points_camera[:, :2] / points_camera[:, 2:3]
        return normalised @ self.k[:2, :2].T + self.k[:2, 2]

    def distort(self, pixels: np.ndarray) -> np.ndarray:
        """Return where rectified (M, 2) pixels lie in the distorted image.

        The model is that of OpenCV: Brown-Conrady, or its rational polynomial.
        """
        x, y = ((pixels - self.k[:2, 2]) @ np.linalg.inv(self.k[:2, :2]).T).T
        k1, k2, p1, p2, k3, k4, k5, k6 = np.pad(self.d, (0, 8 - len(self.d)))
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        radial /= 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
        distorted = np.column_stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            ]
        )
        return distorted @ self.k[:2, :2].T + self.k[:2, 2]

    def rectified(self) -> Camera:
        """Return the same camera without distortion."""
        return Camera(self.width, self.height, self.k)

    def same_as(self, other: Camera) -> bool:
        """Return whether size, K and D are equal."""
        sizes = (self.width, self.height) == (other.width, other.height)
        return sizes and np.array_equal(self.k, other.k) and np.array_equal(self.d, other.d)

    @cached_property
    def rectification_map(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Nearest source pixel of every rectified pixel.

        They are rows and columns, (H, W) int64, clipped to the image, and (H, W) bool, False where
        the source pixel lies outside the image.
        """
        v, u = np.mgrid[: self.height, : self.width]
        # Far outside of what was calibrated a polynomial overflows, a rational one has poles.
        with np.errstate(all="ignore"):
            source = self.distort(np.column_stack([u.ravel(), v.ravel()]).astype(np.float64))
            source = np.clip(np.nan_to_num(source, nan=-1.0), -1, max(self.width, self.height))
        columns, rows = np.rint(source).T.reshape(2, self.height, self.width).astype(np.int64)
        inside = (columns >= 0) & (columns < self.width) & (rows >= 0) & (rows < self.height)
        return np.clip(rows, 0, self.height - 1), np.clip(columns, 0, self.width - 1), inside


def check_lens(camera: Camera) -> None:
    """Check that K is that of a camera with this image size.

    Raises:
        InputError: the view would be wider than a pinhole model describes, or its two focal lengths
            do not belong together: K is the identity, in shares of the image, or of another unit.
    """
    width, height, k = camera.width, camera.height, camera.k
    focal = np.array([k[0, 0], k[1, 1]])
    view = 2 * np.arctan(np.array([width, height]) / 2 / focal)
    ratio = float(focal.max() / focal.min())
    if view.max() > WIDEST_VIEW_RAD or ratio > LARGEST_FOCAL_RATIO:
        raise InputError(
            f"camera.k: focal lengths {focal[0]:.4g} and {focal[1]:.4g} for {width} x {height} "
            "pixels, which no camera has (K of the identity, or in shares of the image?); expected "
            "pixels: calibrate the camera, multiply by the image size, or take P if the images are "
            "rectified"
        )


def distortion_coefficients(model: str, d: np.ndarray) -> np.ndarray:
    """Return the coefficients of a calibration as `Camera` takes them.

    Args:
        model: "plumb_bob" or "rational_polynomial"; any if `d` is all zero.
        d: coefficients in OpenCV's order; those that are left out at the end are zero.

    Returns:
        (0,), (5,) or (8,) float64; none for an image without distortion.

    Raises:
        InputError: not finite, another model, or a wrong count of them.
    """
    d = np.asarray(d, np.float64).ravel()
    if not np.all(np.isfinite(d)):
        raise InputError("D is not finite; calibrate the camera or check its driver")
    if not np.any(d):
        return np.zeros(0)
    if model not in _COEFFICIENTS:
        raise InputError(
            f"distortion_model {model[:40]!r} with coefficients, expected "
            f"{' or '.join(_COEFFICIENTS)}; rectify the images first"
        )
    count = _COEFFICIENTS[model]
    if len(d) < 4 or np.any(d[count:]):
        raise InputError(
            f"D has {len(d)} numbers, expected {count} for {model}; rectify the images first"
        )
    return np.pad(d[:count], (0, count - len(d[:count])))


def _matrix(k: np.ndarray) -> np.ndarray:
    k = np.asarray(k, np.float64)
    if k.size != 9:
        raise InputError(f"camera.k: {k.size} numbers, expected 9 (3 x 3, row major)")
    k = k.reshape(3, 3)
    if not np.all(np.isfinite(k)):
        raise InputError("camera.k: not finite; calibrate the camera or check camera_info")
    if abs(np.linalg.det(k)) < 1e-9 or k[0, 0] <= 0 or k[1, 1] <= 0:
        raise InputError(
            "camera.k: singular or without positive focal lengths [pixels]; calibrate the camera "
            "or check camera_info"
        )
    if np.abs(k[2] - [0, 0, 1]).max() > 1e-5:
        raise InputError("camera.k: the last row is not 0 0 1; pass K, row major, in pixels")
    return k


def _distortion(d: np.ndarray) -> np.ndarray:
    d = np.asarray(d, np.float64).ravel()
    if d.size == 0:
        return np.zeros(5)
    if d.size == 4:
        d = np.append(d, 0.0)
    if d.size not in (5, 8):
        raise InputError(
            f"camera.d: expected 5 plumb-bob or 8 rational-polynomial coefficients, got {d.size}"
        )
    if not np.all(np.isfinite(d)):
        raise InputError("camera.d: not finite; calibrate the camera or check camera_info")
    return d
