"""Input and output of the registration."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.scene import Mesh


@dataclass(frozen=True)
class CubeShape:
    """One predicted object.

    Attributes:
        row: of the observation's masks.
        mesh: in the cube [-0.5, 0.5]^3 that all objects of the scene share; its axes are those of
            the gravity-aligned frame.
    """

    row: int
    mesh: Mesh


@dataclass(frozen=True)
class Similarity:
    """points_aligned = scale * points_cube + translation.

    Attributes:
        scale: edge of the cube [m].
        translation: (3,) float64, the cube's centre in the gravity-aligned frame [m].
    """

    scale: float
    translation: np.ndarray

    def to_aligned(self, points_cube: np.ndarray) -> np.ndarray:
        """Transform cube coordinates (..., 3) to points_aligned (..., 3) [m]."""
        return self.scale * np.asarray(points_cube, np.float64) + self.translation

    def to_cube(self, points_aligned: np.ndarray) -> np.ndarray:
        """Transform points_aligned (..., 3) [m] to cube coordinates (..., 3)."""
        return (np.asarray(points_aligned, np.float64) - self.translation) / self.scale

    def scaled_about_camera(self, factor: float) -> Similarity:
        """Return the similarity scaled about the camera's centre, which keeps the image."""
        return replace(self, scale=factor * self.scale, translation=factor * self.translation)

    def shifted(self, offset_aligned: np.ndarray) -> Similarity:
        """Return the similarity shifted by (3,) [m]."""
        return replace(self, translation=self.translation + offset_aligned)


@dataclass(frozen=True)
class RegisteredObject:
    """Pose of one object, and how well it fits.

    Attributes:
        row: of the observation's masks.
        similarity: of this object: the scene's, or one shifted a little from it.
        residual_m: median distance of its observed points to its surface [m]; NaN without depth.
        agreement: share of its pixels (of its mask and of the prediction) in which mask, prediction
            and depth agree, in [0, 1].
    """

    row: int
    similarity: Similarity
    residual_m: float
    agreement: float


@dataclass(frozen=True)
class Registration:
    """A scene registered to a view.

    Attributes:
        similarity: of the scene as a whole.
        objects: those that fit, in the order of the shapes.
        rejected: (row of the masks, reason) of the others.
        residual_m: median of the objects' residuals [m]; NaN without depth.
        method: origin of the scale: "depth", "camera_height", "support_plane" or "unit".
        warnings: one line each.
    """

    similarity: Similarity
    objects: tuple[RegisteredObject, ...]
    rejected: tuple[tuple[int, str], ...]
    residual_m: float
    method: str
    warnings: tuple[str, ...] = ()

    @property
    def is_metric(self) -> bool:
        """Whether lengths are in metres; otherwise the cube's edge is the unit."""
        return self.method != "unit"
