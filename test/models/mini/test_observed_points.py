"""A predicted distance is drawn onto observed points, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iscene_ros.models.mini.observed_points import LARGEST, correction

SIDE, TRUNCATION, RADIUS = 32, 4.0, 9.0
CENTER = 0.5 * (SIDE - 1)


def ball(radius: float) -> np.ndarray:
    """(R, R, R) distance of a ball in the middle, in units of the truncation."""
    at = np.stack(np.indices((SIDE,) * 3), -1) - CENTER
    return np.clip((np.linalg.norm(at, axis=-1) - radius) / TRUNCATION, -1, 1).astype(np.float32)


def seen_half(rng: np.random.Generator, count: int = 800, noise: float = 0.0) -> np.ndarray:
    """(M, 3) points on the half with y < 0 of a ball of RADIUS [voxels]."""
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions[:, 1] = -np.abs(directions[:, 1])
    return CENTER + (RADIUS + noise * rng.normal(size=(count, 1))) * directions


def distance_at(points: np.ndarray, radius: float) -> np.ndarray:
    return (np.linalg.norm(points - CENTER, axis=1) - radius) / TRUNCATION


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), error=st.floats(-0.5, 0.5), noise=st.floats(0, 0.3))
def test_the_seen_side_moves_to_its_points_and_the_hidden_one_stays(seed, error, noise):
    points = seen_half(np.random.default_rng(seed), noise=noise)
    predicted = ball(RADIUS + error)
    drawn = predicted - correction(distance_at(points, RADIUS + error), points, SIDE)
    at = np.stack(np.indices((SIDE,) * 3), -1)
    front = (np.abs(ball(RADIUS)) < 0.25) & (at[..., 1] < CENTER - 3)
    behind = at[..., 1] > CENTER + 5
    off = np.abs(drawn - ball(RADIUS))[front].mean() * TRUNCATION
    assert off <= 0.35 * abs(error) + 0.06
    np.testing.assert_allclose(drawn[behind], predicted[behind], atol=0.02)


@given(off=st.floats(LARGEST, 1.0), sign=st.sampled_from([-1.0, 1.0]))
def test_points_far_from_the_surface_are_not_believed(off, sign):
    points = seen_half(np.random.default_rng(0))
    assert not correction(np.full(len(points), sign * off), points, SIDE).any()


def test_a_voxel_counts_once_however_densely_it_was_seen():
    points = seen_half(np.random.default_rng(1), 300)
    values = 0.1 * np.sin(points[:, 0])
    near = np.rint(points[:1])
    once = correction(np.r_[values, 0.2], np.r_[points, near], SIDE)
    often = correction(np.r_[values, [0.2] * 50], np.r_[points, near.repeat(50, 0)], SIDE)
    assert np.abs(often - once).max() < 0.1
    assert correction(np.full(50, 0.1), near.repeat(50, 0), SIDE).max() < 0.1


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.full((5, 3), -3.0), np.full((5, 3), 32.0)])
def test_without_points_in_the_grid_nothing_is_corrected(points):
    field = correction(np.full(len(points), 0.1), points, SIDE)
    assert field.shape == (SIDE,) * 3 and field.dtype == np.float32 and not field.any()
