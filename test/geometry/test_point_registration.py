"""Registration of a points at a surface to other looks: small errors of the pose are mended."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from iscene_ros.geometry.point_registration import register_points

NOISE_M = 0.001


def box_corner(rng, count):
    """Points on three faces of a box, with noise of a sensor."""
    points = rng.uniform(-0.5, 0.5, (count, 3)) * [0.10, 0.06, 0.08]
    face = rng.integers(0, 3, count)
    points[np.arange(count), face] = np.array([0.05, 0.03, 0.04])[face]
    return points + rng.normal(0, NOISE_M, points.shape)


def tabletop(rng, count):
    points = rng.uniform(-0.5, 0.5, (count, 3)) * [0.10, 0.06, 0]
    return points + rng.normal(0, NOISE_M / 4, points.shape)


def pose_error(turn_deg=(0.4, -0.3, 0.3), shift_mm=(4.0, -3.0, 3.0)):
    error = np.eye(4)
    error[:3, :3] = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    error[:3, 3] = np.array(shift_mm) / 1000
    return error


def moved(points, transform):
    return points @ transform[:3, :3].T + transform[:3, 3]


@pytest.mark.parametrize("place", [(0, 0, 0), (2, -1, 0.7)])
def test_an_error_of_the_pose_is_mended_wherever_the_surface_lies(place):
    rng = np.random.default_rng(0)
    reference, points = box_corner(rng, 2500) + place, box_corner(rng, 2000) + place
    error = pose_error()
    error[:3, 3] += np.array(place) - error[:3, :3] @ place
    correction = register_points(moved(points, error), reference)
    left = moved(moved(points, error), correction) - points
    assert np.abs(left).max() < 0.001 < np.abs(moved(points, error) - points).max() / 3


def test_a_plane_is_moved_along_its_normal_alone():
    rng = np.random.default_rng(0)
    points = tabletop(rng, 2000)
    shifted = moved(points, pose_error(turn_deg=(0, 0, 0)))
    correction = register_points(shifted, tabletop(rng, 2500))
    left = moved(shifted, correction) - points
    assert np.abs(left[:, 2]).max() < 0.0005
    np.testing.assert_allclose(left[:, :2].mean(axis=0), [0.004, -0.003], atol=0.0003)


@pytest.mark.parametrize("shift_mm", [(60.0, 0, 0), (0, 0, 70.0)])
def test_what_is_no_error_of_a_pose_is_rejected(shift_mm):
    rng = np.random.default_rng(0)
    points = moved(box_corner(rng, 2000), pose_error(shift_mm=shift_mm))
    assert register_points(points, box_corner(rng, 2500)) is None


def test_few_points_determine_nothing():
    rng = np.random.default_rng(0)
    assert register_points(box_corner(rng, 30), box_corner(rng, 2500)) is None
    assert register_points(np.zeros((0, 3)), box_corner(rng, 2500)) is None
