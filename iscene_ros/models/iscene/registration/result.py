"""What goes into a placement, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.core.scene import Mesh


@dataclass(frozen=True)
class PlacementShape:
    """One predicted object.

    Attributes:
        row: of the observation's masks.
        mesh: in the cube [-0.5, 0.5]^3 that all objects of the scene share; axes of view space.
    """

    row: int
    mesh: Mesh


@dataclass(frozen=True)
class Similarity:
    """points_aligned = scale * rotation @ points_cube + translation.

    Attributes:
        scale: edge of the cube [m].
        translation: (3,) float64, the cube's centre in view space [m].
        yaw: about z; pitch: about the turned x, before the yaw [rad].
    """

    scale: float
    translation: np.ndarray
    yaw: float = 0.0
    pitch: float = 0.0

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3) float64 rotation."""
        return Rotation.from_euler("ZX", [self.yaw, self.pitch]).as_matrix()

    @property
    def aligned_from_cube(self) -> np.ndarray:
        """(4, 4) float64 similarity transform."""
        transform = np.eye(4)
        transform[:3, :3] = self.scale * self.rotation
        transform[:3, 3] = self.translation
        return transform

    def to_aligned(self, points_cube: np.ndarray) -> np.ndarray:
        """(..., 3) points_aligned [m] of (..., 3) cube coordinates."""
        points = np.asarray(points_cube, np.float64)
        return self.scale * points @ self.rotation.T + self.translation

    def to_cube(self, points_aligned: np.ndarray) -> np.ndarray:
        """(..., 3) cube coordinates of (..., 3) points_aligned [m]."""
        points = np.asarray(points_aligned, np.float64)
        return (points - self.translation) @ self.rotation / self.scale

    def seen_from_camera_scaled(self, factor: float) -> Similarity:
        """Larger and further away by a factor: the same picture."""
        return replace(self, scale=factor * self.scale, translation=factor * self.translation)

    def shifted(self, offset_aligned: np.ndarray) -> Similarity:
        """Moved by (3,) [m]."""
        return replace(self, translation=self.translation + offset_aligned)


class _Placed:
    """What has a similarity from the cube to view space."""

    similarity: Similarity

    @property
    def scale(self) -> float:
        """Edge of the cube [m]."""
        return self.similarity.scale

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3) float64 rotation of view space from the cube."""
        return self.similarity.rotation

    @property
    def translation(self) -> np.ndarray:
        """(3,) float64, the cube's centre in view space [m]."""
        return self.similarity.translation

    @property
    def aligned_from_cube(self) -> np.ndarray:
        """(4, 4) float64 similarity transform."""
        return self.similarity.aligned_from_cube


@dataclass(frozen=True)
class ObjectPlacement(_Placed):
    """Where one object is, and how well it fits.

    Attributes:
        row: of the observation's masks.
        similarity: of this object, the scene's own or a little off it.
        residual_m: median distance of its observed points to its surface [m]; NaN without depth.
        agreement: share of its pixels (its mask's and the prediction's) in which the mask and the
            readings agree with the prediction, in [0, 1].
    """

    row: int
    similarity: Similarity
    residual_m: float
    agreement: float


@dataclass(frozen=True)
class Placement(_Placed):
    """A scene laid over a view.

    Attributes:
        similarity: of the scene as a whole.
        objects: those that fit, in the order of the shapes.
        rejected: (row of the masks, reason) of the others.
        residual_m: median of the objects' residuals [m]; NaN without depth.
        method: what the scale is from: "depth", "camera_height", "support_plane" or "unit".
        warnings: one line each.
    """

    similarity: Similarity
    objects: tuple[ObjectPlacement, ...]
    rejected: tuple[tuple[int, str], ...]
    residual_m: float
    method: str
    warnings: tuple[str, ...] = field(default=())

    @property
    def is_metric(self) -> bool:
        """Whether lengths are metres; else the cube's edge is the unit."""
        return self.method != "unit"
