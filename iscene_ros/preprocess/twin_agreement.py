"""What one view says of surface points of an instance: they agree with it or contradict it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation

# Surfaces that are this far apart, plus this share of their depth, agree [m, 1].
TOLERANCE_M, TOLERANCE_SHARE = 0.003, 0.003
# Width of the neighbourhood whose labels tell a mask's inside from its edge [pixels].
EDGE_PIXELS = 5


@dataclass(frozen=True, eq=False)
class ViewAgreement:
    """Images that surface points are compared with, each (H, W) and flat.

    Attributes:
        size: height and width [pixels].
        image_from_aligned: (3, 3) float32, from the gravity-aligned frame to (u z, v z, z).
        labels: (H * W,) int16, row of the pixel's instance plus 1; 0 = surroundings.
        nearest: float32 least reading of 3 x 3 pixels [m]; infinite = none.
        low, high: float32 least and largest reading of 3 x 3 pixels of the same label [m];
            infinite and 0 = none.
        is_inner: bool, whether the pixel is not at the edge of a mask.
    """

    size: tuple[int, int]
    image_from_aligned: np.ndarray
    labels: np.ndarray
    nearest: np.ndarray
    low: np.ndarray
    high: np.ndarray
    is_inner: np.ndarray

    @classmethod
    def of(cls, observation: Observation, aligned_frame: GravityAlignedFrame) -> ViewAgreement:
        """Prepare a rectified observation whose masks do not overlap."""
        numbers = np.arange(1, len(observation.masks) + 1, dtype=np.int16)
        labels = (observation.masks * numbers[:, None, None]).sum(axis=0, dtype=np.int16)
        known = np.where(observation.depth > 0, observation.depth, np.inf).astype(np.float32)
        # The least and the largest reading of 3 x 3 pixels of the same label.
        low, high = known.copy(), np.where(np.isfinite(known), known, 0).astype(np.float32)
        for step in np.ndindex(3, 3):
            shift = (step[0] - 1, step[1] - 1)
            reading = np.roll(known, shift, (0, 1))
            same = (np.roll(labels, shift, (0, 1)) == labels) & np.isfinite(reading)
            low = np.where(same, np.minimum(low, reading), low)
            high = np.where(same, np.maximum(high, reading), high)
        is_inner = ndimage.maximum_filter(labels, EDGE_PIXELS) == ndimage.minimum_filter(
            labels, EDGE_PIXELS
        )
        rotation = aligned_frame.camera_from_aligned()[:3, :3]
        return cls(
            size=labels.shape,
            image_from_aligned=(observation.camera.k @ rotation).astype(np.float32),
            labels=labels.ravel(),
            nearest=ndimage.minimum_filter(known, 3).ravel(),
            low=low.ravel(),
            high=high.ravel(),
            is_inner=is_inner.ravel(),
        )

    def compare(
        self, points_aligned: np.ndarray, label: int, floor: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compare K sets of surface points (K, N, 3) [m] with the readings of an instance.

        A point agrees where it lies on the instance's readings. It contradicts the view in space
        that is seen free, on what is not the instance, and below the floor. One that is hidden, or
        where there is no reading, does neither.

        Args:
            points_aligned: In the gravity-aligned frame.
            label: Of the instance in the label image.
            floor: Height below which the instance cannot reach [m].

        Returns:
            (K,) shares of the points that agree, and (K,) of those that contradict.
        """
        height, width = self.size
        projected = points_aligned.astype(np.float32) @ self.image_from_aligned.T
        z = projected[..., 2]
        u, v = np.rint(np.moveaxis(projected[..., :2], -1, 0) / np.maximum(z, 1e-3))
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height) & (z > 1e-3)
        pixel = np.where(inside, v * width + u, 0).astype(np.int64)
        tolerance = TOLERANCE_M + TOLERANCE_SHARE * z
        own = self.labels[pixel] == label
        on_surface = (z >= self.low[pixel] - tolerance) & (z <= self.high[pixel] + tolerance)
        nearest = self.nearest[pixel]
        contradicts = np.isfinite(nearest) & (z < nearest - tolerance)
        contradicts |= on_surface & ~own & self.is_inner[pixel]
        contradicts &= inside
        contradicts |= points_aligned[..., 2] < floor - tolerance
        agrees = inside & own & on_surface & ~contradicts
        return agrees.mean(axis=-1), contradicts.mean(axis=-1)
