"""Estimates of how good a completion is: the expected overlap, and the error point by point."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

# Floor of the expected error, which may vanish [voxels].
LEAST_SPREAD = 0.02
# Beside an observed point, the next one is still about half a voxel away.
POINT_SPACING = 0.5


@dataclass(frozen=True)
class SurfaceEvidence:
    """Features of points on a predicted surface, as arrays of equal shape (...).

    Attributes:
        spread: expected error of the predicted distance [voxels].
        slope: of the predicted distance, 1 = as steep as a true one.
        hidden: distance to the nearest observed point [voxels].
        bounds_overlap: of the body as a whole, see `Evidence`; a number.
    """

    spread: np.ndarray
    slope: np.ndarray
    hidden: np.ndarray
    bounds_overlap: float

    def columns(self) -> np.ndarray:
        """Return the (..., 5) features that `UncertaintyModel` weighs."""
        shape = np.shape(self.hidden)
        columns = [
            np.ones(shape),
            np.log(self.spread + LEAST_SPREAD),
            1.0 - np.clip(self.slope, 0.0, 1.0),
            np.log(self.hidden + POINT_SPACING),
            np.full(shape, self.bounds_overlap),
        ]
        return np.stack(columns, axis=-1)


@dataclass(frozen=True)
class UncertaintyModel:
    """The logarithm of the standard deviation along the normal, linear in the evidence.

    Attributes:
        offset, spread, flatness, hidden, bounds_overlap: coefficients; see `SurfaceEvidence`.
    """

    offset: float
    spread: float
    flatness: float
    hidden: float
    bounds_overlap: float

    def sigma(self, evidence: SurfaceEvidence) -> np.ndarray:
        """Return the (...) float64 standard deviation of the surface along its normal [cells]."""
        weights = [self.offset, self.spread, self.flatness, self.hidden, self.bounds_overlap]
        return np.exp(evidence.columns() @ np.array(weights))


@dataclass(frozen=True)
class Evidence:
    """Features of one completion from which its quality is estimated.

    Attributes:
        sharpness: how steeply the predicted distance crosses its surface, 1 = as steep as a true
            one; where the network averages over several possible surfaces it is flatter.
        observed_fraction: share of the surface that the depth image saw, in [0, 1].
        bounds_overlap: IoU of the bodies one expected error inside and outside of the surface.
        thickness: how deep the body's deepest place lies in it [truncations], in [0, 1].
        crumbs: share of the predicted volume outside of the largest body (floaters).
        level: how far the surface had to follow the observed points [truncations].
        residual: median distance of the observed points to the surface, before it was corrected to
            pass through them [truncations].
        readings: share of the mask that has depth.
        size: natural logarithm of the cube's edge [m].
    """

    sharpness: float = 0.0
    observed_fraction: float = 0.0
    bounds_overlap: float = 0.0
    thickness: float = 0.0
    crumbs: float = 0.0
    level: float = 0.0
    residual: float = 0.0
    readings: float = 0.0
    size: float = 0.0


@dataclass(frozen=True)
class ConfidenceModel:
    """A linear model of the expected overlap, fitted with the weights on rendered scenes.

    Attributes:
        offset: of the sum.
        weights: coefficients of the evidence.
    """

    offset: float = 0.0
    weights: Evidence = Evidence(sharpness=1.0)

    def __call__(self, evidence: Evidence) -> float:
        """Return the expected intersection over union, in [0, 1]."""
        expected = self.offset + np.dot(astuple(self.weights), astuple(evidence))
        return float(np.clip(expected, 0.0, 1.0))


@dataclass(frozen=True)
class Calibration:
    """Parameters fitted to a finished network on rendered scenes of its training families.

    Attributes:
        confidence: the expected overlap.
        level: of the predicted distance at which the surface is cut out, in units of the
            truncation. A network that minimises absolute error predicts the median surface; the one
            with the largest expected overlap lies a little outside, above all around thin walls.
        uncertainty: of the surface, point by point; None where it was not fitted.
    """

    confidence: ConfidenceModel = ConfidenceModel()
    level: float = 0.0
    uncertainty: UncertaintyModel | None = None

    @classmethod
    def from_dict(cls, values: dict) -> Calibration:
        """Return the calibration of an `asdict`."""
        confidence, uncertainty = values["confidence"], values["uncertainty"]
        return cls(
            ConfidenceModel(confidence["offset"], Evidence(**confidence["weights"])),
            values["level"],
            uncertainty and UncertaintyModel(**uncertainty),
        )


def relative_slope(distance: np.ndarray, truncation: float) -> np.ndarray:
    """Return the (R, R, R) slope of a truncated distance, relative to a true one.

    Args:
        distance: (R, R, R) in units of the truncation, negative inside.
        truncation: in voxels; a true distance changes by 1 / truncation from voxel to voxel.
    """
    return np.linalg.norm(np.stack(np.gradient(distance)), axis=0) * truncation


def surface_sharpness(distance: np.ndarray, truncation: float) -> float:
    """Return the mean slope at the zero level, in [0, 1]; arguments as of `relative_slope`."""
    near = np.abs(distance) < 1.0 / truncation
    if not near.any():
        return 0.0
    return float(np.clip(relative_slope(distance, truncation)[near].mean(), 0.0, 1.0))
