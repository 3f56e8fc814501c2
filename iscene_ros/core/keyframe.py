"""A keyframe: one kept view of one object, cropped around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from iscene_ros.core.observation import Observation

# Points that represent what a view sees of an object.
POINTS = 900
# Every so many of them will do for a comparison.
PROBE_STEP = 3
# Points that represent what is beside it.
SURROUNDINGS = 300
# Readings further than spread x deviation + margin [m] from the median depth show other things.
OUTLIER_SPREAD, OUTLIER_MARGIN_M = 6.0, 0.03


@dataclass(frozen=True)
class Keyframe:
    """A view of an object.

    Attributes:
        view: cropped around the object; `world_from_camera` leads into the frame of the map.
        instance_id: of the object in the view.
    """

    view: Observation
    instance_id: int

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool, the object's pixels."""
        return self.view.masks[self.view.instance_ids.index(self.instance_id)]

    @property
    def map_from_camera(self) -> np.ndarray:
        """(4, 4) pose of the camera; the identity where the view has none."""
        pose = self.view.world_from_camera
        return np.eye(4) if pose is None else pose

    @cached_property
    def points(self) -> np.ndarray:
        """(P, 3) float64 points of the object in the frame of the map [m], at most `POINTS`."""
        return self._points(*self._pixels, POINTS)

    @property
    def probes(self) -> np.ndarray:
        """(Q, 3) some of the points, enough for a comparison [m]."""
        return self.points[::PROBE_STEP]

    @property
    def few(self) -> np.ndarray:
        """(F, 3) a few of the points, for a rough share [m]."""
        return self.points[:: 2 * PROBE_STEP]

    @cached_property
    def surroundings(self) -> np.ndarray:
        """(S, 3) float64 points beside the object in the frame of the map [m]."""
        return self._points(*np.nonzero(~self.mask & (self.view.depth > 0)), SURROUNDINGS)

    @cached_property
    def center(self) -> np.ndarray:
        """(3,) mean of the points [m]."""
        return self.points.mean(axis=0)

    @cached_property
    def radius(self) -> float:
        """Distance of the farthest point from the mean [m]."""
        return float(np.linalg.norm(self.points - self.center, axis=1).max())

    @property
    def position(self) -> np.ndarray:
        """(3,) position of the camera in the frame of the map [m]."""
        return self.map_from_camera[:3, 3]

    @cached_property
    def area(self) -> float:
        """Area of the seen surface, projected along the rays [m^2]."""
        rows, columns = self._pixels
        k = self.view.camera.k
        depth = self.view.depth[rows, columns].astype(np.float64)
        return float(np.sum(depth**2) / (k[0, 0] * k[1, 1]))

    @property
    def nbytes(self) -> int:
        """Memory of its images and points [bytes]."""
        return self.view.depth.nbytes + self.view.masks.nbytes + self.points.nbytes

    def moved(self, motion: np.ndarray) -> Keyframe:
        """Return the keyframe after a (4, 4) rigid motion of its object.

        It is as if the object had always been where it is now and the camera elsewhere.
        """
        pose = motion @ self.map_from_camera
        return replace(self, view=replace(self.view, world_from_camera=pose))

    def _points(self, rows: np.ndarray, columns: np.ndarray, most: int) -> np.ndarray:
        """Return points (M, 3) of pixels, at most so many, in the frame of the map [m]."""
        chosen = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)
        rows, columns = rows[chosen], columns[chosen]
        pixels = np.column_stack([columns, rows])
        points_camera = self.view.camera.unproject(pixels, self.view.depth[rows, columns])
        pose = self.map_from_camera
        return points_camera @ pose[:3, :3].T + pose[:3, 3]

    @cached_property
    def _pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the object's readings, without its rim and without outliers."""
        mask = self.mask
        known = mask & (self.view.depth > 0)
        # As `scipy.ndimage.binary_erosion`, several times faster.
        inner = np.zeros_like(mask)
        inner[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1]
        inner[1:-1, 1:-1] &= mask[1:-1, :-2] & mask[1:-1, 2:]
        inner &= known
        if 2 * np.count_nonzero(inner) >= np.count_nonzero(known):
            known = inner
        rows, columns = np.nonzero(known)
        depth = self.view.depth[rows, columns]
        if not len(depth):
            return rows, columns
        offset = np.abs(depth - np.median(depth))
        kept = offset <= OUTLIER_SPREAD * np.median(offset) + OUTLIER_MARGIN_M
        return rows[kept], columns[kept]
