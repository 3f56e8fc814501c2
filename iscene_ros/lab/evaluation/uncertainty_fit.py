"""Fitting the uncertainty of surfaces to how far they lay from true ones."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from iscene_ros.models.mini.uncertainty import SurfaceEvidence, UncertaintyModel

# Of the Student distribution that the errors are taken from: a few places are simply wrong.
FREEDOM = 3.0
RIDGE = 1e-4
# Shares of a normal distribution within one and two standard deviations.
WITHIN = (0.683, 0.954)
SCALES = np.linspace(0.5, 3.0, 126)


def fit_uncertainty(surfaces: list[SurfaceEvidence], errors: list[np.ndarray]) -> UncertaintyModel:
    """By likelihood; then scaled so that one and two sigma hold about the shares that they should.

    Args:
        surfaces: evidence at places on each of M completed surfaces.
        errors: M arrays, the distance of these places to the true surface [voxels].
    """
    columns = np.concatenate([surface.columns() for surface in surfaces])
    error = np.concatenate(errors)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        log_sigma = columns @ weights
        squared = (error / np.exp(log_sigma)) ** 2 / FREEDOM
        value = np.mean(log_sigma + 0.5 * (FREEDOM + 1) * np.log1p(squared))
        slope = columns.T @ (1 - (FREEDOM + 1) * squared / (1 + squared)) / len(error)
        shrunk = np.r_[0.0, weights[1:]]
        return value + RIDGE * shrunk @ shrunk, slope + 2 * RIDGE * shrunk

    weights = minimize(loss, np.zeros(columns.shape[1]), jac=True, method="L-BFGS-B").x
    ratio = error / np.exp(columns @ weights)
    misses = [
        sum((np.mean(ratio < n * scale) - share) ** 2 for n, share in enumerate(WITHIN, start=1))
        for scale in SCALES
    ]
    weights[0] += np.log(SCALES[int(np.argmin(misses))])
    return UncertaintyModel(*(float(w) for w in weights))
