"""The gravity-aligned frame: exact, invertible, defined for every gravity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import Cube, GravityAlignedFrame, check_rigid, gravity_from_pose

directions = arrays(np.float64, 3, elements=st.floats(-1, 1)).filter(
    lambda v: np.linalg.norm(v) > 1e-3
)
points = arrays(np.float64, (5, 3), elements=st.floats(-5, 5))


def looking(pitch_rad: float, yaw_rad: float) -> np.ndarray:
    """(3, 3) world_from_camera of a camera without roll, pitched down from the horizon."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    heading, right = np.array([-s, c, 0]), np.array([c, s, 0])
    forward = np.cos(pitch_rad) * heading - np.sin(pitch_rad) * np.array([0, 0, 1])
    return np.column_stack([right, np.cross(forward, right), forward])


@given(gravity=directions, points_camera=points)
def test_the_frame_is_upright_and_invertible(gravity, points_camera):
    aligned_frame = GravityAlignedFrame.from_gravity(gravity)
    rotation = aligned_frame.aligned_from_camera
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(
        aligned_frame.from_camera(gravity / np.linalg.norm(gravity)), [0, 0, -1], atol=1e-9
    )
    back = aligned_frame.to_camera(aligned_frame.from_camera(points_camera))
    np.testing.assert_allclose(back, points_camera, atol=1e-9)
    moved = points_camera @ aligned_frame.camera_from_aligned()[:3, :3].T
    np.testing.assert_allclose(moved, aligned_frame.to_camera(points_camera), atol=1e-12)


@given(pitch=st.floats(-np.pi / 2, np.pi / 2), yaw=st.floats(-np.pi, np.pi))
def test_neither_pitch_nor_yaw_turns_image_right_away_from_x(pitch, yaw):
    pose = np.eye(4)
    pose[:3, :3] = looking(pitch, yaw)
    aligned_frame = GravityAlignedFrame.from_gravity(gravity_from_pose(pose))
    np.testing.assert_allclose(aligned_frame.from_camera([1.0, 0, 0]), [1, 0, 0], atol=1e-9)


@given(pitch=st.floats(-1.2, 1.2), yaw=st.floats(-np.pi, np.pi))
def test_y_is_the_horizontal_viewing_direction(pitch, yaw):
    pose = np.eye(4)
    pose[:3, :3] = looking(pitch, yaw)
    aligned_frame = GravityAlignedFrame.from_gravity(gravity_from_pose(pose))
    forward = aligned_frame.from_camera([0.0, 0, 1])
    np.testing.assert_allclose(forward, [0, np.cos(pitch), -np.sin(pitch)], atol=1e-9)


def test_straight_down_and_up_take_the_heading_from_the_image():
    down = GravityAlignedFrame.from_gravity([0, 0, 1.0])
    np.testing.assert_allclose(down.from_camera([0, -1.0, 0]), [0, 1, 0], atol=1e-12)
    up = GravityAlignedFrame.from_gravity([0, 0, -1.0])
    np.testing.assert_allclose(up.from_camera([0, 1.0, 0]), [0, 1, 0], atol=1e-12)


@given(center=directions, size=st.floats(0.01, 5), points_aligned=points)
def test_cube_coordinates_are_invertible(center, size, points_aligned):
    cube = Cube(center, size)
    back = cube.to_aligned(cube.from_aligned(points_aligned))
    np.testing.assert_allclose(back, points_aligned, atol=1e-9)


def test_voxel_centres_are_those_of_the_release():
    centers = Cube(np.zeros(3), 1.0).voxel_centers_aligned(64)
    np.testing.assert_allclose(centers[0, 0, 0], -0.5 + 0.5 / 64)
    np.testing.assert_allclose(centers[63, 0, 1], [63.5 / 64 - 0.5, 0.5 / 64 - 0.5, 1.5 / 64 - 0.5])


@pytest.mark.parametrize(
    ("transform", "word"),
    [
        (np.eye(3), "16"),
        (np.full((4, 4), np.inf), "finite"),
        (np.diag([1.0, 1, -1, 1]), "rigid"),
        (np.diag([2.0, 2, 2, 1]), "rigid"),
        (np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 2, 3, 1]]), "row major"),
    ],
)
def test_a_pose_that_is_not_rigid_is_rejected(transform, word):
    with pytest.raises(InputError, match=word):
        check_rigid(transform, "world_from_camera")


def test_a_rounded_rotation_is_made_exact():
    pose = np.eye(4)
    pose[:3, :3] = np.round(looking(0.5, 0.3), 4)
    rotation = check_rigid(pose, "pose")[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
