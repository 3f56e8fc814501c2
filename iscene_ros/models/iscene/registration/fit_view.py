"""The view that shapes are fitted to: the observation, cropped to the masks and subsampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from iscene_ros.core.camera import Camera
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation

# The view is subsampled to about this many pixels along its longer side.
SIDE = 200

# Margin around the masks, as a share of their box, for predictions that are too large.
MARGIN = 0.2

# Standard deviation of a depth reading at depth z: NOISE_M [m] + NOISE_GROWTH [1/m] z^2.
NOISE_M, NOISE_GROWTH = 0.001, 0.002

# An outline belongs to an occluder where the depth beyond it is nearer by this share.
NEARER_SHARE = 0.015


@dataclass(frozen=True)
class Outline:
    """The outline of one mask, as a field over the image.

    Attributes:
        distance: (h, w) float64 signed distance to it, negative inside; -0.5 on the mask's
            outermost pixels [pixels].
        gradient: (2, h, w) float64 its derivative by u and by v.
        is_own: (h, w) bool, whether the nearest part of the outline is the object's own: neither
            the border of the image nor that of an occluder.
        rim: (R,) int64 flat indices of the mask's outermost pixels with an outline of its own.
    """

    distance: np.ndarray
    gradient: np.ndarray
    is_own: np.ndarray
    rim: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray, is_cut: np.ndarray) -> Outline:
        """Compute the outline of a mask (h, w); `is_cut` (h, w) bool marks rims not its own."""
        rim = mask & ~ndimage.binary_erosion(mask)
        distance, nearest = ndimage.distance_transform_edt(~rim, return_indices=True)
        signed = np.where(mask, -distance - 0.5, distance - 0.5)
        smooth = ndimage.gaussian_filter(signed, 1.0)
        v, u = np.gradient(smooth)
        gradient = np.stack([u, v]) / np.maximum(np.hypot(u, v), 1e-9)
        own_rim = np.flatnonzero(rim & ~is_cut)
        return cls(signed, gradient, ~is_cut[tuple(nearest)], own_rim)


@dataclass(frozen=True)
class FitView:
    """A small image of the masks and the depth in them.

    Attributes:
        camera: of the small image.
        stride: pixels of the observation from one of its pixels to the next.
        aligned_from_camera: (3, 3) float64 rotation.
        rays_aligned: (h, w, 3) float64 viewing rays, 1 m long along the optical axis.
        depth: (h, w) float64 [m], 0 = no reading.
        masks: (N, h, w) bool, one for each shape.
        outlines: one for each shape.
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
        cls, observation: Observation, aligned_frame: GravityAlignedFrame, rows: Sequence[int]
    ) -> FitView:
        """Crop and subsample a rectified observation to the masks of some rows."""
        masks = observation.masks[list(rows)]
        window, stride = _window(masks.any(axis=0))
        small = observation.masks[(slice(None), *window)]
        height, width = (len(range(s.start, s.stop, s.step)) for s in window)
        k = observation.camera.k.copy()
        k[:2, 2] -= (window[1].start, window[0].start)
        k[:2] /= stride
        camera = Camera(width, height, k)
        depth = observation.depth[window].astype(np.float64)
        v, u = np.mgrid[:height, :width].reshape(2, -1)
        rays = camera.unproject(np.column_stack([u, v]), np.ones(u.size))
        rays_aligned = aligned_frame.from_camera(rays).reshape(height, width, 3)
        # The pixels of the view at the border of the whole image.
        whole = observation.camera
        v, u = np.arange(whole.height)[window[0]], np.arange(whole.width)[window[1]]
        at_side = (u < stride) | (u >= whole.width - stride)
        border = at_side | ((v < stride) | (v >= whole.height - stride))[:, None]
        cut = _cut_rims(small, depth, border)
        outlines = [Outline.of(small[row], cut[row]) for row in rows]
        return cls(
            camera,
            stride,
            aligned_frame.aligned_from_camera,
            rays_aligned,
            depth,
            small[list(rows)],
            tuple(outlines),
        )


def reading_noise(depth: float | np.ndarray) -> float | np.ndarray:
    """Return the standard deviation of a reading at a depth [m]."""
    return NOISE_M + NOISE_GROWTH * depth**2


def _window(mask: np.ndarray) -> tuple[tuple[slice, slice], int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    low = np.array([rows[0], columns[0]])
    high = np.array([rows[-1], columns[-1]]) + 1
    pad = 8 + int(MARGIN * (high - low).max())
    low, high = np.maximum(low - pad, 0), np.minimum(high + pad, mask.shape)
    stride = max(1, round(float((high - low).max()) / SIDE))
    return tuple(slice(a, b, stride) for a, b in zip(low, high, strict=True)), stride


def _cut_rims(masks: np.ndarray, depth: np.ndarray, border: np.ndarray) -> np.ndarray:
    """Return (N, h, w) bool: pixels of each mask at the border of the image or next to an occluder.

    An occluder shows in the depth. Where there is none, a neighbouring mask might occlude.
    """
    known = np.where(depth > 0, depth, np.inf)
    nearest = ndimage.minimum_filter(known, 5)
    in_front = np.isfinite(nearest) & (depth > 0) & (nearest < (1 - NEARER_SHARE) * depth)
    owners = masks.sum(axis=0, dtype=np.int32)
    cut = np.empty(masks.shape, bool)
    for row, mask in enumerate(masks):
        other = ndimage.binary_dilation((owners - mask) > 0, iterations=2)
        # A jump of depth within a mask is its own; only a nearer neighbour outside counts.
        outside = np.where(mask, np.inf, known)
        jump = in_front & (ndimage.minimum_filter(outside, 5) < (1 - NEARER_SHARE) * depth)
        unknown = other & ((depth == 0) | ~np.isfinite(ndimage.minimum_filter(outside, 5)))
        cut[row] = mask & (border | jump | unknown)
    return cut
