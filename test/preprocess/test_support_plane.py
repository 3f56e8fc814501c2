"""Gravity from the plane that the objects rest on."""

from dataclasses import replace

import numpy as np
import pytest

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.geometry.planes import find_planes
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.lab.benchmarks.table_scene import table_scene
from iscene_ros.preprocess.support_plane import find_gravity, support_plane

CAMERA = Camera(320, 240, np.array([[280.0, 0, 159.5], [0, 280.0, 119.5], [0, 0, 1]]))


def angle_deg(a, b):
    return np.degrees(np.arccos(np.clip(np.dot(a, b), -1, 1)))


def noisy(observation, relative_noise, outliers, seed=0):
    rng = np.random.default_rng(seed)
    depth = observation.depth * (1 + relative_noise * rng.normal(size=observation.depth.shape))
    is_outlier = rng.random(depth.shape) < outliers
    depth[is_outlier] = rng.uniform(0.3, 3.0, np.count_nonzero(is_outlier))
    return replace(observation, depth=depth, world_from_camera=None, gravity_camera=None)


def view_of(*planes):
    """The view of endless planes: each a normal on the camera's side and its distance [m]."""
    columns, rows = np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height))
    pixels = np.column_stack([columns.ravel(), rows.ravel()])
    rays = CAMERA.unproject(pixels, np.ones(len(pixels)))
    toward = [-(rays @ normal) for normal, _ in planes]
    depth = [
        np.where(t > 1e-3, d / np.maximum(t, 1e-3), np.inf)
        for t, (_, d) in zip(toward, planes, strict=True)
    ]
    nearest = np.min(depth, axis=0).reshape(columns.shape)
    image = np.where(nearest < 5.0, nearest, 0)
    image = image * (1 + 0.002 * np.random.default_rng(0).normal(size=image.shape))
    return Observation(image, np.zeros((0, *image.shape), bool), CAMERA)


def support_of(observation):
    return support_plane(find_planes(observation))


def gravity_of(observation):
    return find_gravity(observation, find_planes(observation))


@pytest.mark.parametrize("relative_noise, limit", [(0.0, 0.1), (0.005, 0.5), (0.02, 3.0)])
def test_a_table_is_found_under_noise_and_outliers(relative_noise, limit):
    truth = table_scene(5).observation
    plane = support_of(noisy(truth, relative_noise, outliers=0.2))
    assert angle_deg(-plane.normal, truth.gravity_camera) < limit
    assert plane.offset == pytest.approx(0.75, rel=0.02)
    assert plane.offset > 0 and plane.share > 0.2


def test_the_bin_of_a_real_frame_is_seen_from_above():
    assert angle_deg(support_of(arc2017_observation().rectified()).normal, [0, 0, -1]) < 10


def test_a_wall_behind_the_table_is_not_the_support():
    pitch = np.deg2rad(20)
    up = np.array([0, -np.cos(pitch), -np.sin(pitch)])
    back = np.array([0, np.sin(pitch), -np.cos(pitch)])
    observation = view_of((up, 0.7), (back, 1.5))
    assert max(find_planes(observation), key=lambda p: p.share).normal @ back > 0.99
    assert angle_deg(support_of(observation).normal, up) < 1


def test_a_ceiling_is_no_support():
    observation = view_of((np.array([0.0, 1.0, 0.0]), 1.0))
    assert len(find_planes(observation)) == 1 and support_of(observation) is None
    gravity, warnings = gravity_of(observation)
    assert gravity.tolist() == [0.0, 1.0, 0.0] and "level camera" in warnings[0]


def test_masks_that_cover_everything_fall_back_to_all_readings():
    truth = table_scene(2).observation
    everything = np.ones((1, *truth.depth.shape), bool)
    observation = Observation(truth.depth, everything, truth.camera)
    assert find_planes(observation) == ()
    gravity, warnings = gravity_of(observation)
    assert angle_deg(gravity, truth.gravity_camera) < 1 and len(warnings) == 1


def test_a_handful_of_readings_is_no_plane():
    truth = table_scene(1).observation
    depth = np.zeros_like(truth.depth)
    depth[200, 200:230] = truth.depth[200, 200:230]
    assert find_planes(Observation(depth, truth.masks, truth.camera)) == ()


def test_gravity_of_a_pose_needs_no_plane():
    truth = table_scene(1).observation
    gravity, warnings = find_gravity(truth, ())
    np.testing.assert_array_equal(gravity, truth.gravity_camera)
    assert warnings == ()


def test_the_same_view_gives_the_same_planes():
    observation = noisy(table_scene(5).observation, 0.005, 0.2)
    first, second = find_planes(observation), find_planes(observation)
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.normal, other.normal)
        np.testing.assert_array_equal(one.corners, other.corners)


def rolled(observation: Observation, quarters: int) -> tuple[Observation, np.ndarray]:
    """The view of a camera turned about its axis, and (3, 3) new_from_old camera."""
    new_from_old = np.eye(3)
    for _ in range(quarters):
        camera = observation.camera
        fx, fy, (cx, cy) = camera.k[0, 0], camera.k[1, 1], camera.k[:2, 2]
        k = np.array([[fy, 0, cy], [0, fx, camera.width - 1 - cx], [0, 0, 1]])
        observation = Observation(
            depth=np.rot90(observation.depth),
            masks=np.rot90(observation.masks, axes=(1, 2)),
            camera=Camera(camera.height, camera.width, k),
        )
        new_from_old = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]) @ new_from_old
    return observation, new_from_old


@pytest.mark.parametrize("quarters", range(4))
def test_the_table_is_found_whatever_the_roll_of_the_camera(quarters):
    truth = table_scene(5).observation
    turned, new_from_old = rolled(truth, quarters)
    gravity, _ = gravity_of(turned)
    assert angle_deg(gravity, new_from_old @ truth.gravity_camera) < 1


def test_a_strong_wall_on_which_nothing_rests_is_not_the_support():
    truth = table_scene(3).observation
    planes = find_planes(truth)
    observation = replace(truth, world_from_camera=None, gravity_camera=None)
    table = support_plane(planes)
    aside = np.array([1.0, 0.0, 0.0])
    wall = replace(table, normal=aside, offset=0.8, share=0.9)
    gravity, _ = find_gravity(observation, (wall, replace(table, share=0.1)))
    np.testing.assert_allclose(gravity, -table.normal)
    turned, _ = find_gravity(observation, (replace(table, share=0.9), replace(wall, share=0.1)))
    np.testing.assert_allclose(turned, -table.normal)
