"""One instance as iscene-mini 2 predicts it: a fine signed distance and its surface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from iscene_ros.geometry.marching_cubes import SMOOTHINGS, mesh_from_distance
from iscene_ros.geometry.mesh_measures import LEAST_SHARE
from iscene_ros.models.base import ShapeMesh
from iscene_ros.models.mini.observed_surface import correction
from iscene_ros.models.mini.predicted_shape import DistanceShape
from iscene_ros.models.mini2.observed_shell import (
    SHELL_CONFIDENCE,
    missed_readings,
    needs_shell,
    with_shell,
)
from iscene_ros.models.model_config import Envelope

# Least overlap (IoU) of a solid with itself before and after a smoothing that may be used.
LEAST_KEPT = 0.9


@dataclass(frozen=True, eq=False)
class FineDistanceShape(DistanceShape):
    """A signed distance on a fine grid; its `disagreement` is the network's expected error.

    A camera resolves about two voxels of this grid, so that whatever is defined on the cells of a
    shape (what counts as observed, the correction towards observed points) uses cells of two
    voxels. A shape that misses most of its observed points gets a shell around them; see
    `observed_shell`.
    """

    @property
    def cell(self) -> float:
        """Edge of two voxels [m]."""
        return 2 * self.crop.cube.size / len(self.distance)

    def mesh(self) -> ShapeMesh | None:
        """See `PredictedShape.mesh`."""
        least_share = 0.0 if self.envelope is Envelope.OUTER else LEAST_SHARE
        cut = self._cut()
        mesh_aligned = mesh_from_distance(
            cut,
            self.crop.cube,
            self.faces,
            upsample=1,
            least_share=least_share,
            smoothings=harmless_smoothings(cut),
        )
        if mesh_aligned is None:
            return None
        return ShapeMesh(mesh_aligned, vertex_sigma=self._vertex_sigma(mesh_aligned))

    def confidence(self, observed_fraction: float) -> float:
        """See `PredictedShape.confidence`."""
        expected = super().confidence(observed_fraction)
        return min(expected, SHELL_CONFIDENCE) if needs_shell(self._missed) else expected

    @cached_property
    def _leveled(self) -> np.ndarray:
        """See `DistanceShape`."""
        corrected = self._corrected
        if not needs_shell(self._missed):
            return corrected
        return with_shell(corrected, self._seen_voxels[self._missed], self.truncation)

    @cached_property
    def _missed(self) -> np.ndarray:
        """(M,) bool: observed points outside the corrected surface."""
        field, voxels = self._corrected, self._seen_voxels
        values = ndimage.map_coordinates(field, voxels.T, order=1, mode="nearest")
        return missed_readings(values, self.truncation)

    @cached_property
    def _corrected(self) -> np.ndarray:
        """The leveled distance, corrected towards the observed points.

        The correction is smooth, so that it is computed at half the resolution.
        """
        level, half = np.float32(self._level), len(self.distance) // 2
        coarse = correction(self._seen - level, 0.5 * self._seen_voxels - 0.25, half)
        fine = ndimage.zoom(coarse, 2, order=1, mode="nearest", grid_mode=True)
        return self.distance - level - fine


def harmless_smoothings(distance: np.ndarray) -> tuple[float, ...]:
    """Return those of `SMOOTHINGS` that nearly keep the solid of a distance (R, R, R).

    A smoothing destroys thin walls: little is left of a cup with walls of two voxels.
    """
    inside = distance < 0

    def kept(sigma: float) -> bool:
        smooth = ndimage.gaussian_filter(distance, sigma) < 0
        return (inside & smooth).sum() >= LEAST_KEPT * (inside | smooth).sum()

    return tuple(sigma for sigma in SMOOTHINGS if kept(sigma))
