"""The shape that iscene-mini predicts: a signed distance, its confidence and its surfaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from iscene_ros.geometry.marching_cubes import SMOOTHINGS, mesh_from_distance
from iscene_ros.geometry.mesh_measures import LEAST_SHARE
from iscene_ros.models.base import ShapeMesh
from iscene_ros.models.mini.confidence import (
    Calibration,
    Evidence,
    SurfaceEvidence,
    relative_slope,
    surface_sharpness,
)
from iscene_ros.models.mini.envelope import MAX_SHIFT, bodies_around, moved_surface
from iscene_ros.models.mini.observed_points import (
    MISSED_VOXELS,
    SHELL_CONFIDENCE,
    correction,
    needs_shell,
    with_shell,
)
from iscene_ros.models.model_config import Envelope
from iscene_ros.preprocess.crops import InstanceCrop

# The surface follows observed points no further out than this share of the truncation.
MAX_LEVEL = 0.5
# Least overlap (IoU) of a solid with itself before and after a smoothing that may be used.
LEAST_KEPT = 0.9


@dataclass(frozen=True, eq=False)
class DistanceShape:
    """A signed distance in an instance's cube; see `PredictedShape`.

    A camera resolves about two voxels of its grid, so that whatever is defined on the cells of a
    shape (what counts as observed, the correction towards observed points) uses cells of two
    voxels. A shape that misses most of its observed points gets a shell around them; see
    `observed_points`.

    Attributes:
        crop: the crop of the instance.
        distance: (R, R, R) float32 in units of the truncation, negative inside.
        error: (R, R, R) float32 expected absolute error of `distance`, in its units.
        readings: share of the mask that has depth.
        truncation: [voxels].
        calibration: fitted to the weights.
        faces: triangle budget of the mesh.
        envelope: surface to extract.
        separated: (R, R, R) float32 distance to the mean surface where neighbours limit it, or
            None; see `separation`.
    """

    crop: InstanceCrop
    distance: np.ndarray
    error: np.ndarray
    readings: float
    truncation: float
    calibration: Calibration
    faces: int
    envelope: Envelope = Envelope.MEAN
    separated: np.ndarray | None = None

    @property
    def row(self) -> int:
        """Row of the observation's masks."""
        return self.crop.index

    @property
    def points_aligned(self) -> np.ndarray:
        """Observed points, (M, 3) [m]."""
        return self.crop.points_aligned

    @property
    def cell(self) -> float:
        """Edge of two voxels [m]."""
        return 2 * self.crop.cube.size / len(self.distance)

    @property
    def truncation_m(self) -> float:
        """Truncation of the distance [m]."""
        return self.truncation * self.crop.cube.size / len(self.distance)

    @property
    def surface_distance(self) -> np.ndarray:
        """Distance to the mean surface, (R, R, R) float32 in units of the truncation."""
        return self._leveled if self.separated is None else self.separated

    @property
    def inside(self) -> np.ndarray:
        """Voxels with centres inside of the mean surface, (R, R, R) bool."""
        return self.surface_distance < 0

    def mesh(self) -> ShapeMesh | None:
        """See `PredictedShape.mesh`."""
        # `bodies_around` has already chosen the bodies of an outer surface.
        least_share = 0.0 if self.envelope is Envelope.OUTER else LEAST_SHARE
        cut = self._cut()
        smoothings = harmless_smoothings(cut)
        mesh_aligned = mesh_from_distance(cut, self.crop.cube, self.faces, least_share, smoothings)
        model = self.calibration.uncertainty
        if mesh_aligned is None:
            return None
        if model is None:
            return ShapeMesh(mesh_aligned)
        sigma = self.cell * model.sigma(self.surface_evidence(mesh_aligned.vertices))
        sigma = np.minimum(sigma, self.crop.cube.size).astype(np.float32)
        return ShapeMesh(mesh_aligned, vertex_sigma=sigma)

    def confidence(self, observed_fraction: float) -> float:
        """Return the expected overlap (IoU) of the mean surface with the true object."""
        expected = self.calibration.confidence(self.evidence(observed_fraction))
        return min(expected, SHELL_CONFIDENCE) if needs_shell(self._missed) else expected

    def evidence(self, observed_fraction: float) -> Evidence:
        """Return the features of the confidence model."""
        distance = self.surface_distance
        return Evidence(
            sharpness=surface_sharpness(distance, self.truncation),
            observed_fraction=observed_fraction,
            bounds_overlap=self._bounds_overlap,
            thickness=float(-distance.min()),
            crumbs=_crumbs(distance < 0),
            level=self._level,
            residual=float(np.median(np.abs(self._seen - self._level))),
            readings=self.readings,
            size=float(np.log(self.crop.cube.size)),
        )

    def surface_evidence(self, points_aligned: np.ndarray) -> SurfaceEvidence:
        """Return the features of the uncertainty model at points (P, 3) on the surface [m]."""
        voxels = self._voxels(points_aligned)
        return SurfaceEvidence(
            spread=_at(self.error, voxels) * self.truncation,
            slope=_at(self._slope, voxels),
            hidden=self._observed.query(voxels)[0],
            bounds_overlap=self._bounds_overlap,
        )

    def _cut(self) -> np.ndarray:
        """Return the distance to the surface of the envelope."""
        model = self.calibration.uncertainty
        if self.envelope is Envelope.MEAN or model is None:
            return self.surface_distance
        sigma = np.zeros_like(self.distance)
        # Surfaces move no further than this; other voxels need no sigma.
        near = np.abs(self.surface_distance) <= MAX_SHIFT
        evidence = SurfaceEvidence(
            spread=self.error[near] * self.truncation,
            slope=self._slope[near],
            hidden=self._observed.query(np.argwhere(near))[0],
            bounds_overlap=self._bounds_overlap,
        )
        sigma[near] = model.sigma(evidence) * self.cell / self.truncation_m
        moved = moved_surface(self.surface_distance, self._slope, sigma, self.envelope)
        return bodies_around(moved, self.surface_distance)

    @cached_property
    def _leveled(self) -> np.ndarray:
        """Distance to the mean surface, with a shell around observed points where it needs one."""
        corrected = self._corrected
        if not needs_shell(self._missed):
            return corrected
        return with_shell(corrected, self.seen_voxels[self._missed], self.truncation)

    @cached_property
    def _missed(self) -> np.ndarray:
        """(M,) bool: observed points outside the corrected surface."""
        return _at(self._corrected, self.seen_voxels) * self.truncation > MISSED_VOXELS

    @cached_property
    def _corrected(self) -> np.ndarray:
        """Distance to the surface at the calibrated level or further out, and corrected so that it
        passes through the observed points.

        The correction is smooth, so that it is computed at half the resolution.
        """
        level, half = np.float32(self._level), len(self.distance) // 2
        coarse = correction(self._seen - level, 0.5 * self.seen_voxels - 0.25, half)
        fine = ndimage.zoom(coarse, 2, order=1, mode="nearest", grid_mode=True)
        return self.distance - level - fine

    @cached_property
    def _level(self) -> float:
        """Level of the distance at the surface.

        Observed points lie on the surface. Where the prediction recedes from most of them, as it
        does from parts that are thinner than a voxel, the surface follows them.
        """
        return max(self.calibration.level, min(float(np.median(self._seen)), MAX_LEVEL))

    @cached_property
    def _seen(self) -> np.ndarray:
        """Distance at the observed points, (M,)."""
        return _at(self.distance, self.seen_voxels)

    @cached_property
    def seen_voxels(self) -> np.ndarray:
        """Observed points, (M, 3) [voxels]."""
        return self._voxels(self.points_aligned)

    @cached_property
    def _observed(self) -> cKDTree:
        """Search tree of the observed points [voxels]."""
        return cKDTree(self.seen_voxels)

    @cached_property
    def _slope(self) -> np.ndarray:
        return relative_slope(self.distance, self.truncation)

    @cached_property
    def _bounds_overlap(self) -> float:
        first, second = (
            self.surface_distance + sign * self.error < 0
            for sign in (np.float32(1), np.float32(-1))
        )
        return float((first & second).sum() / max(1, (first | second).sum()))

    def _voxels(self, points_aligned: np.ndarray) -> np.ndarray:
        """Transform (P, 3) points [m] to grid coordinates [voxels]."""
        return (self.crop.cube.from_aligned(points_aligned) + 0.5) * len(self.distance) - 0.5


def harmless_smoothings(distance: np.ndarray) -> Iterator[float]:
    """Yield those of `SMOOTHINGS` that nearly keep the solid of a distance (R, R, R).

    A smoothing destroys thin walls: little is left of a cup with walls of two voxels.
    """
    inside = distance < 0

    def kept(sigma: float) -> bool:
        smooth = ndimage.gaussian_filter(distance, sigma) < 0
        return (inside & smooth).sum() >= LEAST_KEPT * (inside | smooth).sum()

    return filter(kept, SMOOTHINGS)


def _at(field: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    return ndimage.map_coordinates(field, voxels.T, order=1, mode="nearest")


def _crumbs(inside: np.ndarray) -> float:
    """Return the share of the inner voxels that do not belong to the largest body."""
    parts, count = ndimage.label(inside)
    if not count:
        return 0.0
    volumes = np.bincount(parts.ravel())[1:]
    return float(1.0 - volumes.max() / volumes.sum())
