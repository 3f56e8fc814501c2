from dataclasses import replace

import numpy as np
import pytest

from iscene_ros.core.observation import Observation
from iscene_ros.geometry.planes import find_planes
from iscene_ros.io.demo_frame import demo_frame
from iscene_ros.preprocess.support_plane import support_plane


@pytest.fixture(scope="module")
def observation() -> Observation:
    return demo_frame().observation


def test_frame_becomes_an_observation(observation):
    assert observation.depth.shape == (480, 640) and observation.masks.shape == (8, 480, 640)
    assert observation.rgb.dtype == np.uint8
    assert len(observation.labels) == 8 and "mouse_traps" in observation.labels
    assert observation.world_from_camera is None and observation.gravity_camera is None
    assert not observation.camera.is_rectified and observation.stamp > 1.5e9
    readings = observation.depth > 0
    assert 0.4 < readings.mean() < 0.6
    for mask in observation.masks:
        assert (mask & readings).sum() > 1000
        assert 0.4 < np.median(observation.depth[mask & readings]) < 0.8
    kept = observation.rectified().masks.sum((1, 2)) / observation.masks.sum((1, 2))
    assert np.all(np.abs(kept - 1) < 0.05)


def test_camera_pose_puts_the_floor_of_the_bin_at_zero(observation):
    rectified = observation.rectified()
    world_from_camera = demo_frame().world_from_camera

    def heights(mask: np.ndarray) -> np.ndarray:
        rows, columns = np.nonzero(mask & (rectified.depth > 0))
        pixels = np.column_stack([columns, rows])
        points_camera = rectified.camera.unproject(pixels, rectified.depth[rows, columns])
        return points_camera @ world_from_camera[2, :3] + world_from_camera[2, 3]

    counts, edges = np.histogram(
        heights(~rectified.masks.any(0)), np.arange(-0.5, 0.5, 0.02) + 0.01
    )
    assert abs(edges[np.argmax(counts)] + 0.01) < 1e-9  # most of what is no object: -1 to 1 cm
    assert all(-0.005 < np.median(heights(mask)) < 0.2 for mask in rectified.masks)
    posed = replace(rectified, world_from_camera=world_from_camera)
    floor = support_plane(find_planes(rectified))
    np.testing.assert_allclose(posed.gravity_camera, -floor.normal, atol=1e-9)


def test_label_image_gives_every_pixel_one_instance(observation):
    image = demo_frame().labels_image
    assert image.dtype == np.uint8 and set(np.unique(image)) == set(range(9))
    np.testing.assert_array_equal(image > 0, observation.masks.any(0))
    for number, mask in enumerate(observation.masks, start=1):
        assert mask[image == number].all()
        # A small instance in front of a large one is not painted over.
        assert np.count_nonzero(image == number) > 2000
