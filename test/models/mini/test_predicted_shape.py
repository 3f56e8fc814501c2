"""The surface of a predicted shape: at its readings, with a shell around what it misses."""

import numpy as np
import pytest

from iscene_ros.core.frames import Cube
from iscene_ros.geometry.marching_cubes import SMOOTHINGS
from iscene_ros.models.mini.confidence import Calibration
from iscene_ros.models.mini.predicted_shape import DistanceShape, harmless_smoothings
from iscene_ros.preprocess.crops import InstanceCrop

CUBE = Cube(np.zeros(3), 0.2)


def shape_of(distance: np.ndarray, points_aligned: np.ndarray) -> DistanceShape:
    crop = InstanceCrop(0, CUBE, points_aligned, -0.1)
    return DistanceShape(
        crop, distance, np.full_like(distance, 0.01), 1.0, 8.0, Calibration(), 5000
    )


def ball(radius: float) -> np.ndarray:
    points = CUBE.voxel_centers_aligned(64)
    away = np.linalg.norm(points, axis=-1) - radius
    return np.clip(away * 64 / 0.2 / 8, -1, 1).astype(np.float32)


def sphere_points(radius: float, center: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    directions = np.random.default_rng(0).normal(size=(3000, 3))
    return radius * directions / np.linalg.norm(directions, axis=1, keepdims=True) + center


def test_a_shape_that_covers_its_readings_gets_no_shell():
    shape = shape_of(ball(0.05), sphere_points(0.05))
    assert shape.inside.sum() == pytest.approx((ball(0.05) < 0).sum(), rel=0.05)
    mesh = shape.mesh().mesh_aligned
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.05).max() < 0.002


def test_what_misses_its_readings_is_published_with_a_shell_around_them_and_little_confidence():
    points = sphere_points(0.05)
    crumb = shape_of(ball(0.008), points)
    mesh = crumb.mesh().mesh_aligned
    reach = np.linalg.norm(mesh.vertices, axis=1)
    assert reach.max() == pytest.approx(0.05, abs=0.006)
    assert crumb.confidence(0.5) <= 0.2


def test_smoothings_that_would_destroy_thin_walls_are_left_out():
    wall = np.abs(np.arange(64) - 31.6)[:, None, None] - 0.6
    thin = np.broadcast_to(np.clip(wall / 8, -1, 1), (64, 64, 64)).astype(np.float32)
    assert 1.0 not in harmless_smoothings(thin)
    assert tuple(harmless_smoothings(ball(0.05))) == SMOOTHINGS
