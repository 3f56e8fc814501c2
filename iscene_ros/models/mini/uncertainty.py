"""Uncertainty of a completed surface, point by point."""

from __future__ import annotations

from dataclasses import dataclass

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
