"""Random sizes and choices that the shape families share."""

from __future__ import annotations

import numpy as np


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a uniform number in [low, high)."""
    return float(rng.uniform(low, high))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Return True with a probability."""
    return bool(rng.random() < probability)


def longest_side(rng: np.random.Generator, low: float = 0.05, high: float = 0.25) -> float:
    """Draw a length [m], mostly in the natural range of a family, sometimes in 2.5..45 cm."""
    if chance(rng, 0.1):
        return log_uniform(rng, 0.025, 0.45)
    return log_uniform(rng, low, high)


def wall_thickness(rng: np.random.Generator, size: float) -> float:
    """Draw the thickness of a vessel wall [m], 2..6 mm, less for small vessels."""
    return float(min(rng.uniform(0.002, 0.006), max(0.04 * size, 0.0015)))


def thin_wall(rng: np.random.Generator) -> float:
    """Draw the thickness of sheet metal, card or glass [m], 1.5..4 mm at any size."""
    return float(rng.uniform(0.0015, 0.004))


def ratios(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """Draw independent log-uniform ratios (count,)."""
    return np.exp(rng.uniform(np.log(low), np.log(high), count))
