"""What a camera image says of points in space: they fit it, are hidden, or are seen through."""

from __future__ import annotations

from collections.abc import Sequence
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
        return sights([self], [points], margin)

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
        u, v = pixels[:, inside]
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
        u, v = projected[:, inside]
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
        """Return pixels (2, M) int64 (u, v), depths (M,) [m], and whether they are in the image."""
        return _projected([self], [points], np.array(self._size)[:, None])

    @property
    def _size(self) -> tuple[int, int]:
        return self.observation.camera.width, self.observation.camera.height


def sights(
    views: Sequence[CameraView], points: Sequence[np.ndarray], margin: float = MARGIN_M
) -> np.ndarray:
    """Return the `Sight` of points (M, 3) [m] in each of some images, one image after the other.

    Images of single objects are small: one call for all of them costs little more than for one.
    """
    counts = [len(own) for own in points]
    size = np.repeat(np.transpose([view._size for view in views]), counts, axis=1)
    pixels, depth, inside = _projected(views, points, size)
    # The pixel and its eight neighbours, by their place in the flat image.
    u, v = np.clip(pixels, 1, size - 2)
    around = v * size[0] + u + NEIGHBOURS[:, 1, None] * size[0] + NEIGHBOURS[:, :1]
    parts = zip(views, np.split(around, np.cumsum(counts)[:-1], axis=1), strict=True)
    # In an image without a pixel amid eight others they lie outside.
    readings = [view.observation.depth.take(own, mode="clip") for view, own in parts]
    readings = np.concatenate(readings, axis=1)
    unknown = readings <= 0
    depth = depth.astype(np.float32)
    limit = np.float32(margin) + np.float32(MARGIN_GROWTH) * depth**2
    gap = readings - depth
    codes = np.zeros(len(depth), np.int8)
    np.copyto(gap, np.inf, where=unknown)
    codes[gap.min(axis=0) > limit] = Sight.THROUGH
    fits = (np.abs(gap) <= limit).any(axis=0)
    np.copyto(gap, -np.inf, where=unknown)
    codes[gap.max(axis=0) < -limit] = Sight.HIDDEN
    codes[fits] = Sight.FITS
    codes[~inside | unknown.all(axis=0) | (size < 3).any(axis=0)] = Sight.UNKNOWN
    return codes


def _projected(
    views: Sequence[CameraView], points: Sequence[np.ndarray], size: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixels (2, M) int64 (u, v), depths (M,) [m], and whether they are in the image.

    Args:
        views: images.
        points: (M_i, 3) of each of them [m].
        size: (2, M) or (2, 1) width and height of the points' images [pixels].
    """
    parts = []
    for view, own in zip(views, points, strict=True):
        rotation, position = view.frame_from_camera[:3, :3], view.frame_from_camera[:3, 3]
        parts.append(view.observation.camera.k @ rotation.T @ (own - position).T)
    *pixels, depth = np.concatenate(parts, axis=1)
    in_front = depth > NEAR_M
    pixels = np.array(pixels) / np.where(in_front, depth, np.inf)
    pixels = np.rint(np.clip(pixels, -1, 1 << 30)).astype(np.int64)
    inside = ((pixels >= 0) & (pixels < size)).all(axis=0)
    return pixels, depth, inside & in_front
