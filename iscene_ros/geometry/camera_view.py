"""What a camera image says of points in space: they fit it, are hidden, or are seen through."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.geometry.object_surface import ObjectSurface

NEAR_M = 0.05
# A point fits the reading there within this distance [m], which grows with the square of the depth
# as the noise of sensors does [1/m].
MARGIN_M, MARGIN_GROWTH = 0.02, 0.005
LEAST_MARGIN_M, MARGIN_OF_SIZE = 0.006, 0.4
LEAST_IN_VIEW, LEAST_READINGS = 0.5, 0.2
# An object is missing where this share of its near side is not there.
MISSING = 0.5
# What lies before an object by less than this share of its size takes its place.
TAKEN = 0.5
NEIGHBOURS = np.array([(du, dv) for dv in (-1, 0, 1) for du in (-1, 0, 1)])


class Sight(IntEnum):
    """What an image says of a point."""

    UNKNOWN = 0
    HIDDEN = 1
    FITS = 2
    THROUGH = 3


def margin_of(size: np.ndarray) -> float:
    """Return the distance [m] within which points of an object of a size (3,) [m] fit a reading.

    It is smaller for a flat object, which is gone where the camera sees what it lay on.
    """
    return float(np.clip(MARGIN_OF_SIZE * np.min(size), LEAST_MARGIN_M, MARGIN_M))


@dataclass(frozen=True)
class CameraView:
    """An observation and the pose of its camera.

    Attributes:
        observation: rectified.
        frame_from_camera: (4, 4) float64 rigid [m], into the frame of the objects' poses.
    """

    observation: Observation
    frame_from_camera: np.ndarray

    def sight(self, points: np.ndarray, margin: float = MARGIN_M) -> np.ndarray:
        """Return (M,) `Sight` of points (M, 3) [m]; the readings around a pixel have to agree."""
        pixels, depth, inside = self._project(points)
        height, width = self.observation.depth.shape
        codes = np.zeros(len(points), np.int8)
        if min(height, width) < 3:
            return codes
        # The pixel and its eight neighbours, by their place in the flat image.
        u, v = np.clip(pixels[:, 0], 1, width - 2), np.clip(pixels[:, 1], 1, height - 2)
        around = (v * width + u) + (NEIGHBOURS[:, 1] * width + NEIGHBOURS[:, 0])[:, None]
        readings = self.observation.depth.ravel()[around]
        unknown = readings <= 0
        limit = margin + MARGIN_GROWTH * depth**2
        gap = readings - depth
        gap[unknown] = np.inf
        codes[gap.min(axis=0) > limit] = Sight.THROUGH
        fits = (np.abs(gap) <= limit).any(axis=0)
        gap[unknown] = -np.inf
        codes[gap.max(axis=0) < -limit] = Sight.HIDDEN
        codes[fits] = Sight.FITS
        codes[~inside | unknown.all(axis=0)] = Sight.UNKNOWN
        return codes

    def is_missing(
        self, surface: ObjectSurface, pose: np.ndarray, size: np.ndarray, own: np.ndarray | None
    ) -> bool | None:
        """Return whether an object is not where it was: the camera sees through its near side.

        Pixels of instances show other objects, except those of `own`. A flat object is missing,
        too, where no instance covers it, since depth cannot tell it from what it lay on.

        Args:
            surface: of the object.
            pose: (4, 4) frame_from_object [m].
            size: (3,) of the object [m].
            own: (H, W) bool, pixels that may show the object itself, in its place or, before or
                behind it, after a motion; or None.

        Returns:
            None where the image cannot tell: the object is hidden or out of view, or depth is
            not known.
        """
        near = self.near_side(surface, pose)
        pixels, _, inside = self._project(near)
        if not len(near) or inside.mean() < LEAST_IN_VIEW:
            return None
        margin = margin_of(size)
        codes = self.sight(near, margin)[inside]
        u, v = pixels[inside].T
        if np.mean(self.observation.depth[v, u] > 0) < LEAST_READINGS:
            return None
        masks = self.observation.masks[:, v, u].any(axis=0)
        mine = np.zeros(len(u), bool) if own is None else own[v, u]
        # Another instance in its place may be a little larger.
        close = self.sight(near, margin + TAKEN * float(np.median(size)))[inside] == Sight.FITS
        taken = close & masks & ~mine
        gone = (codes == Sight.THROUGH) | taken | ((codes == Sight.HIDDEN) & mine)
        if margin == LEAST_MARGIN_M:
            gone |= (codes == Sight.FITS) & ~mine
        hidden = (codes == Sight.HIDDEN) & ~mine & ~taken
        judged = np.count_nonzero(codes != Sight.UNKNOWN)
        if np.count_nonzero(hidden) > (1 - MISSING) * judged:
            return None
        return bool(np.count_nonzero(gone) >= MISSING * judged)

    def covered_share(
        self, surface: ObjectSurface, pose: np.ndarray, pixels: np.ndarray, margin: float = MARGIN_M
    ) -> float:
        """Return the share of an object's near side that lies in pixels, in [0, 1].

        Parts that something else hides do not count.

        Args:
            surface: of the object.
            pose: (4, 4) frame_from_object [m].
            pixels: (H, W) bool.
            margin: see `sight` [m].
        """
        near = self.near_side(surface, pose)
        projected, _, inside = self._project(near)
        u, v = projected[inside].T
        covered = pixels[v, u]
        hidden = (self.sight(near[inside], margin) == Sight.HIDDEN) & ~covered
        shown = len(near) - np.count_nonzero(hidden)
        return float(np.count_nonzero(covered) / shown) if shown else 0.0

    def near_side(self, surface: ObjectSurface, pose: np.ndarray) -> np.ndarray:
        """Return the points (M, 3) of an object at a pose (4, 4) that face the camera [m]."""
        points = surface.points @ pose[:3, :3].T + pose[:3, 3]
        normals = surface.normals @ pose[:3, :3].T
        facing = np.einsum("ij,ij->i", normals, points - self.frame_from_camera[:3, 3]) < 0
        return points[facing]

    def _project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return pixels (M, 2) int64 (u, v), depths (M,) [m], and whether they are in the image."""
        rotation, position = self.frame_from_camera[:3, :3], self.frame_from_camera[:3, 3]
        points_camera = (points - position) @ rotation
        depth = points_camera[:, 2]
        in_front = depth > NEAR_M
        points_camera[~in_front] = 0, 0, 1
        camera = self.observation.camera
        pixels = np.rint(np.clip(camera.project(points_camera), -1, 1 << 30)).astype(np.int64)
        inside = np.all((pixels >= 0) & (pixels < (camera.width, camera.height)), axis=1)
        return pixels, depth, inside & in_front
