"""The view that shapes are fitted to: cut to the masks and thinned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from iscene_ros.core.camera import Camera
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation

# Around the masks, as a share of their box: room for predictions that are too large.
MARGIN = 0.2

# An outline is the occluder's where the depth beyond it is nearer by this share.
NEARER_SHARE = 0.015


@dataclass(frozen=True)
class Outline:
    """The outline of one mask, as a field over the picture.

    Attributes:
        distance: (h, w) float64 signed distance to it, negative inside; -0.5 on the mask's
            outermost pixels [pixels].
        gradient: (2, h, w) float64 its derivative by u and by v.
        is_own: (h, w) bool, whether the nearest part of the outline is the object's own: not the
            border of the picture, and not that of something in front of it.
        rim: (R,) int64, the mask's outermost pixels where the outline is its own; flat indices.
    """

    distance: np.ndarray
    gradient: np.ndarray
    is_own: np.ndarray
    rim: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray, is_foreign: np.ndarray) -> Outline:
        """Of an (h, w) mask; `is_foreign` (h, w) bool marks its pixels whose rim is not its own."""
        rim = mask & ~ndimage.binary_erosion(mask)
        distance, nearest = ndimage.distance_transform_edt(~rim, return_indices=True)
        signed = np.where(mask, -distance - 0.5, distance - 0.5)
        smooth = ndimage.gaussian_filter(signed, 1.0)
        v, u = np.gradient(smooth)
        gradient = np.stack([u, v]) / np.maximum(np.hypot(u, v), 1e-9)
        own_rim = np.flatnonzero(rim & ~is_foreign)
        return cls(signed, gradient, ~is_foreign[tuple(nearest)], own_rim)


@dataclass(frozen=True)
class FitView:
    """A small picture of the masks and the depth in them.

    Attributes:
        camera: of the small picture.
        stride: pixels of the original from one of its pixels to the next.
        aligned_from_camera: (3, 3) float64 rotation.
        rays_aligned: (h, w, 3) float64 viewing rays, 1 m long along the optical axis.
        depth: (h, w) float64 [m], 0 = no reading.
        masks: (N, h, w) bool, one a shape.
        outlines: one a shape.
    """

    camera: Camera
    stride: int
    aligned_from_camera: np.ndarray
    rays_aligned: np.ndarray
    depth: np.ndarray
    masks: np.ndarray
    outlines: tuple[Outline, ...]

    @classmethod
    def of(
        cls,
        observation: Observation,
        aligned_frame: GravityAlignedFrame,
        rows: Sequence[int],
        side: int,
    ) -> FitView:
        """The masks of some rows, about `side` pixels long; the observation is rectified."""
        masks = observation.masks[list(rows)]
        window, stride = _window(masks.any(axis=0), side)
        small = observation.masks[(slice(None), *window)]
        camera = _thinned(observation.camera, window, stride)
        depth = observation.depth[window].astype(np.float64)
        v, u = np.mgrid[: camera.height, : camera.width].reshape(2, -1)
        rays = camera.unproject(np.column_stack([u, v]), np.ones(u.size))
        rays_aligned = aligned_frame.from_camera(rays).reshape(camera.height, camera.width, 3)
        foreign = _foreign(small, depth, _picture_border(observation.camera, window))
        outlines = [Outline.of(small[row], foreign[row]) for row in rows]
        return cls(
            camera,
            stride,
            aligned_frame.aligned_from_camera,
            rays_aligned,
            depth,
            small[list(rows)],
            tuple(outlines),
        )

    def without_depth(self) -> FitView:
        """The same view, its readings left out."""
        return FitView(
            self.camera,
            self.stride,
            self.aligned_from_camera,
            self.rays_aligned,
            np.zeros_like(self.depth),
            self.masks,
            self.outlines,
        )


def _window(mask: np.ndarray, side: int) -> tuple[tuple[slice, slice], int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    low = np.array([rows[0], columns[0]])
    high = np.array([rows[-1], columns[-1]]) + 1
    pad = 8 + int(MARGIN * (high - low).max())
    low, high = np.maximum(low - pad, 0), np.minimum(high + pad, mask.shape)
    stride = max(1, round(float((high - low).max()) / side))
    return tuple(slice(a, b, stride) for a, b in zip(low, high, strict=True)), stride


def _thinned(camera: Camera, window: tuple[slice, slice], stride: int) -> Camera:
    height, width = (len(range(s.start, s.stop, s.step)) for s in window)
    k = camera.k.copy()
    k[:2, 2] -= (window[1].start, window[0].start)
    k[:2] /= stride
    return Camera(width, height, k)


def _picture_border(camera: Camera, window: tuple[slice, slice]) -> np.ndarray:
    """(h, w) bool: the small picture's pixels within a few pixels of the whole picture's border."""
    v, u = np.meshgrid(
        np.arange(camera.height)[window[0]], np.arange(camera.width)[window[1]], indexing="ij"
    )
    step = window[0].step
    at_side = (u < step) | (u >= camera.width - step)
    return at_side | (v < step) | (v >= camera.height - step)


def _foreign(masks: np.ndarray, depth: np.ndarray, border: np.ndarray) -> np.ndarray:
    """(N, h, w) bool: pixels of each mask next to which something in front of it begins.

    The nearer one shows in the depth. Where there is none, the neighbour of another mask might be.
    """
    known = np.where(depth > 0, depth, np.inf)
    nearest = ndimage.minimum_filter(known, 5)
    in_front = np.isfinite(nearest) & (depth > 0) & (nearest < (1 - NEARER_SHARE) * depth)
    owners = masks.sum(axis=0, dtype=np.int32)
    foreign = np.empty(masks.shape, bool)
    for row, mask in enumerate(masks):
        other = ndimage.binary_dilation((owners - mask) > 0, iterations=2)
        # Within a mask, a jump of depth is its own; only a nearer neighbour outside counts.
        outside = np.where(mask, np.inf, known)
        jump = in_front & (ndimage.minimum_filter(outside, 5) < (1 - NEARER_SHARE) * depth)
        unknown = other & ((depth == 0) | ~np.isfinite(ndimage.minimum_filter(outside, 5)))
        foreign[row] = mask & (border | jump | unknown)
    return foreign
