"""A view with and without a depth image."""

from dataclasses import replace

import frame_files
import numpy as np
import pytest

from iscene_ros.core.camera import Camera
from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation

SHAPE = (frame_files.HEIGHT, frame_files.WIDTH)


def view(depth: np.ndarray | None, **more: object) -> Observation:
    distortion = np.array([0.1, 0, 0, 0, 0])
    camera = Camera(frame_files.WIDTH, frame_files.HEIGHT, np.array(frame_files.K), distortion)
    ids = frame_files.id_image()
    return Observation(depth, np.stack([ids == 1, ids == 7]), camera, **more)


def test_a_view_may_have_no_depth():
    without = view(None)
    assert not without.has_depth
    assert without.depth.shape == SHAPE and without.depth.dtype == np.float32
    assert not without.depth.any()


def test_it_stays_without_depth_when_it_is_rectified_or_changed():
    rectified = view(None).rectified()
    assert rectified.camera.is_rectified and rectified.masks.any() and not rectified.has_depth
    fewer = replace(rectified, masks=rectified.masks[:1], labels=(), scores=(), instance_ids=())
    assert len(fewer.masks) == 1 and not fewer.has_depth
    assert replace(fewer, depth=frame_files.depth_mm() / 1000).has_depth


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf])
def test_a_depth_image_without_a_reading_is_rejected(value):
    empty = np.full(SHAPE, value, np.float32)
    with pytest.raises(InputError, match="depth: not one"):
        view(empty)


def test_readings_that_no_sensor_has_are_none():
    depth = (frame_files.depth_mm() / 1000).astype(np.float32)
    damaged = depth.copy()
    damaged[0, :3] = np.nan, 1e38, 65.5
    cleaned = view(damaged).depth
    assert not cleaned[0, :3].any()
    np.testing.assert_array_equal(cleaned[1:], depth[1:])


def test_cleaned_depth_may_lose_all_readings_but_is_checked_otherwise():
    seen = view(frame_files.depth_mm() / 1000)
    assert seen.has_depth and not seen.with_depth(np.zeros(SHAPE)).rectified().has_depth
    with pytest.raises(InputError, match="divide by 1000"):
        seen.with_depth(frame_files.depth_mm().astype(np.float32))
    with pytest.raises(InputError, match="depth: shape"):
        seen.with_depth(np.zeros((3, 4), np.float32))


def test_a_label_image_gives_an_instance_for_every_id():
    ids = frame_files.id_image()
    camera = Camera(frame_files.WIDTH, frame_files.HEIGHT, np.array(frame_files.K))
    made = Observation.from_label_image(ids, None, camera, labels={7: "bowl"}, stamp=2.0)
    assert made.instance_ids == (1, 7) and made.labels == ("object", "bowl") and made.stamp == 2.0
    np.testing.assert_array_equal(made.masks[1], ids == 7)
    empty = Observation.from_label_image(np.zeros_like(ids), None, camera)
    assert empty.masks.shape == (0, *SHAPE)


@pytest.mark.parametrize("image", [np.zeros(SHAPE, float), np.zeros((*SHAPE, 3), np.uint8)])
def test_a_label_image_of_no_ids_is_rejected(image):
    camera = Camera(frame_files.WIDTH, frame_files.HEIGHT, np.array(frame_files.K))
    with pytest.raises(InputError, match="label_image: shape"):
        Observation.from_label_image(image, None, camera)


def test_units_are_judged_by_what_the_masks_show():
    depth = (frame_files.depth_mm() / 1000).astype(np.float32)
    depth[frame_files.id_image() == 0] = 65.535
    seen = view(depth)
    assert seen.has_depth and not seen.depth[frame_files.id_image() == 0].any()
    camera = Camera(frame_files.WIDTH, frame_files.HEIGHT, np.array(frame_files.K))
    nothing = np.zeros((0, *SHAPE), bool)
    assert Observation(depth, nothing, camera).depth.max() < 1
    with pytest.raises(InputError, match="millimetres"):
        Observation(depth * 1000, nothing, camera)


def test_labels_become_readable_lines():
    assert view(None, labels=("cup\n", "")).labels == ("cup", "object")


@pytest.mark.parametrize("k", [np.eye(3), np.diag([0.9, 1.2, 1]), np.diag([60, 0.6, 1])])
def test_a_matrix_that_no_camera_has_is_refused(k):
    camera = Camera(frame_files.WIDTH, frame_files.HEIGHT, k)
    with pytest.raises(InputError, match="camera.k: .* calibrate the camera"):
        Observation(None, np.ones((1, *SHAPE), bool), camera)
