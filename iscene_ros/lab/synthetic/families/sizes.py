"""Random sizes and shared random choices of the shape families."""

from __future__ import annotations

import numpy as np


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform number in [low, high)."""
    return float(rng.uniform(low, high))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with a probability."""
    return bool(rng.random() < probability)


def longest_side(rng: np.random.Generator, low: float = 0.05, high: float = 0.25) -> float:
    """Length [m]: mostly in the natural range of a family, sometimes anywhere in 2..60 cm."""
    if chance(rng, 0.1):
        return log_uniform(rng, 0.025, 0.45)
    return log_uniform(rng, low, high)


def wall_thickness(rng: np.random.Generator, size: float) -> float:
    """Thickness of a vessel wall [m], 2..6 mm and never clumsy for a small vessel."""
    return float(min(rng.uniform(0.002, 0.006), max(0.04 * size, 0.0015)))


def thin_wall(rng: np.random.Generator) -> float:
    """Thickness of sheet metal, card or glass [m], 1.5..4 mm whatever the size."""
    return float(rng.uniform(0.0015, 0.004))


def ratios(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """Independent log-uniform ratios (count,)."""
    return np.exp(rng.uniform(np.log(low), np.log(high), count))
