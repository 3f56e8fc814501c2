"""How much to trust a completed object: the overlap (IoU) that it is expected to reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Evidence:
    """What is known about one completion without knowing the truth.

    Attributes:
        sharpness: how steeply the predicted distance crosses its surface, 1 = as steep as a true
            one; where the network averages over several possible surfaces it is flatter.
        observed_fraction: share of the surface that the depth image saw, in [0, 1].
    """

    sharpness: float
    observed_fraction: float


@dataclass(frozen=True)
class ConfidenceModel:
    """A linear model of the expected overlap, fitted with the weights on rendered scenes.

    Attributes:
        offset, sharpness, observed_fraction: coefficients.
    """

    offset: float = 0.0
    sharpness: float = 1.0
    observed_fraction: float = 0.0

    def __call__(self, evidence: Evidence) -> float:
        """Expected intersection over union, in [0, 1]."""
        expected = (
            self.offset
            + self.sharpness * evidence.sharpness
            + self.observed_fraction * evidence.observed_fraction
        )
        return float(np.clip(expected, 0.0, 1.0))

    @classmethod
    def fit(cls, evidence: list[Evidence], overlaps: np.ndarray) -> ConfidenceModel:
        """Least squares to the true overlaps (M,) of M completions."""
        rows = [[1.0, e.sharpness, e.observed_fraction] for e in evidence]
        coefficients, *_ = np.linalg.lstsq(np.array(rows), np.asarray(overlaps), rcond=None)
        return cls(*(float(c) for c in coefficients))


@dataclass(frozen=True)
class Calibration:
    """What is fitted to a finished network on rendered scenes of its training families.

    Attributes:
        confidence: the expected overlap.
        level: of the predicted distance at which the surface is cut out, in units of the
            truncation. A network that minimises absolute error draws the median surface; the one
            with the largest expected overlap lies a little outside, above all around thin walls.
    """

    confidence: ConfidenceModel = ConfidenceModel()
    level: float = 0.0


def surface_sharpness(distance: np.ndarray, truncation: float) -> float:
    """Mean slope across the zero level of a truncated distance (R, R, R), relative to a true one.

    Args:
        distance: in units of the truncation, negative inside.
        truncation: in voxels; a true distance changes by 1 / truncation from voxel to voxel.
    """
    gradient = np.linalg.norm(np.stack(np.gradient(distance)), axis=0)
    near = np.abs(distance) < 1.0 / truncation
    if not near.any():
        return 0.0
    return float(np.clip(gradient[near].mean() * truncation, 0.0, 1.0))
