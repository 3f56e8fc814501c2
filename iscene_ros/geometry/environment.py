"""The surroundings of the objects: planes such as a table, the floor of a bin, a wall.

Below and behind objects a plane is not observed; there it continues where no depth reading lies
beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.scene import Plane
from iscene_ros.geometry.ray_columns import ColumnGrid, Intervals

# A plane is the surface of something at least this thick [m]: thicker than what overlaps it.
THICKNESS_M = 0.3

# Planes steeper than this against an axis are left to the other axes.
MIN_ALONG = 0.5

# A reading within so many standard deviations of a plane lies on it.
ON_PLANE = 4.0


class Environment(Protocol):
    """The surroundings, in the upright frame.

    Attributes:
        sigma: standard deviation of its surfaces [m].
    """

    sigma: float

    def intervals(self, grid: ColumnGrid, cells: np.ndarray, body: int) -> Intervals:
        """Return the parts of columns (M,) inside of the surroundings, as those of a body index."""

    def is_hidden(self, points: np.ndarray) -> np.ndarray:
        """Return (M,) bool: at which points (M, 3) something may be that was not observed."""


@dataclass(frozen=True)
class BoxEnvironment:
    """Surroundings that are known exactly: axis-aligned boxes in the upright frame.

    Attributes:
        boxes: (lower, upper) corners (3,) [m].
    """

    boxes: Sequence[tuple[np.ndarray, np.ndarray]]
    sigma: float = 2e-4

    def intervals(self, grid: ColumnGrid, cells: np.ndarray, body: int) -> Intervals:
        """See `Environment.intervals`."""
        positions = grid.positions(cells)
        across = list(grid.across)
        parts = []
        for low, high in self.boxes:
            low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
            hit = np.all((positions > low[across]) & (positions < high[across]), axis=1)
            count = int(hit.sum())
            up = np.tile(np.eye(3)[grid.axis], (count, 1))
            bounds = np.full(count, low[grid.axis]), np.full(count, high[grid.axis])
            parts.append(_intervals(cells[hit], *bounds, up, body))
        return Intervals.joined(parts)

    def is_hidden(self, points: np.ndarray) -> np.ndarray:
        """See `Environment.is_hidden`; what is known exactly hides nothing."""
        return np.zeros(len(points), bool)


@dataclass(frozen=True)
class PlaneEnvironment:
    """Planes that were found in a depth image, in the upright frame.

    Attributes:
        planes: of the surroundings, with the outline of the parts that were observed.
        depth: (H, W) float32 depth image, objects included [m].
        camera: rectified intrinsics.
        upright_from_camera: (4, 4) float64.
    """

    planes: tuple[Plane, ...]
    depth: np.ndarray
    camera: Camera
    upright_from_camera: np.ndarray

    @property
    def sigma(self) -> float:
        """Standard deviation of the readings from the planes [m]."""
        return float(np.median([plane.sigma for plane in self.planes])) if self.planes else 0.0

    def intervals(self, grid: ColumnGrid, cells: np.ndarray, body: int) -> Intervals:
        """See `Environment.intervals`."""
        parts = []
        for plane in self.planes:
            along = plane.normal[grid.axis]
            if abs(along) < MIN_ALONG:
                continue
            points = grid.points(cells, np.zeros(len(cells)))
            points[:, grid.axis] = -(points @ plane.normal + plane.offset) / along
            there = plane.reaches(points)
            # Where the camera read something behind the plane, the plane has ended.
            observed, _, reading = self._readings(points[there])
            beyond = observed @ plane.normal + plane.offset < -ON_PLANE * plane.sigma
            there[there] = ~(beyond & (reading > 0))
            surface = points[there, grid.axis]
            back = surface - np.sign(along) * THICKNESS_M
            normal = np.tile(plane.normal * np.sign(along), (len(surface), 1))
            low, high = np.minimum(surface, back), np.maximum(surface, back)
            parts.append(_intervals(cells[there], low, high, normal, body))
        return Intervals.joined(parts)

    def is_hidden(self, points: np.ndarray) -> np.ndarray:
        """See `Environment.is_hidden`; hidden is what no reading lies beyond."""
        _, distance, reading = self._readings(points)
        return (reading <= 0) | (reading < distance)

    def _readings(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what the camera read in the directions of points (M, 3).

        Returns:
            (M, 3) the observed points, (M,) depth of the given points and (M,) depth that was read,
            0 = no reading [m].
        """
        rotation, origin = self.upright_from_camera[:3, :3], self.upright_from_camera[:3, 3]
        points_camera = (points - origin) @ rotation
        ahead = points_camera[:, 2] > 1e-3
        safe = np.where(ahead[:, None], points_camera, [0.0, 0.0, 1.0])
        columns, rows = np.rint(self.camera.project(safe)).T
        inside = ahead & (columns >= 0) & (rows >= 0)
        inside &= (columns < self.camera.width) & (rows < self.camera.height)
        columns, rows = (np.where(inside, part, 0).astype(np.int64) for part in (columns, rows))
        reading = np.where(inside, self.depth[rows, columns], 0.0)
        rays = points_camera / np.where(ahead, points_camera[:, 2], 1.0)[:, None]
        return (rays * reading[:, None]) @ rotation.T + origin, points_camera[:, 2], reading


def _intervals(
    cells: np.ndarray, low: np.ndarray, high: np.ndarray, up: np.ndarray, body: int
) -> Intervals:
    up = up.astype(np.float32)
    return Intervals(np.full(len(cells), body, np.int64), cells, low, high, -up, up)
