"""The front of a thing is not taken for its back."""

import numpy as np

from iscene_ros.geometry.facing_surfaces import SeenSurface

REACH = 0.04


def sheet(x: float, seed: int) -> np.ndarray:
    """Points on a square across x, with noise of a sensor."""
    points = np.random.default_rng(seed).uniform(-0.1, 0.1, (600, 3))
    points[:, 0] = x + np.random.default_rng(seed).normal(0, 0.0005, 600)
    return points


def seen(x: float, from_x: float, seed: int) -> SeenSurface:
    return SeenSurface.from_points(sheet(x, seed), np.array([from_x, 0, 0]))


def test_two_views_of_one_side_face_each_other():
    front = seen(0.0, -1.0, 0)
    assert np.all(front.normals[:, 0] < -0.9)
    assert len(front.facing(seen(0.005, -0.7, 1), REACH)) > 0.99 * 600
    assert len(front.facing(seen(0.05, -0.7, 1), REACH)) == 0


def test_front_and_back_do_not():
    front, back = seen(0.0, -1.0, 0), seen(0.005, 1.0, 1)
    assert len(front.facing(back, REACH)) == len(back.facing(front, REACH)) == 0
    both = SeenSurface.concatenated([back, seen(-0.003, -0.7, 2)])
    assert len(front.facing(both, REACH)) > 0.9 * 600


def test_nothing_faces_nothing():
    nothing = SeenSurface.from_points(np.zeros((0, 3)), np.zeros(3))
    assert len(seen(0, -1, 0).facing(nothing, REACH)) == 0
    assert len(nothing.facing(seen(0, -1, 0), REACH)) == 0
