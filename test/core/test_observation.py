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


def test_a_view_may_have_no_depth() -> None:
    without = view(None)
    assert not without.has_depth and without.allow_no_depth
    assert without.depth.shape == SHAPE and without.depth.dtype == np.float32
    assert not without.depth.any()


def test_it_stays_without_depth_when_it_is_rectified_or_changed() -> None:
    rectified = view(None).rectified()
    assert rectified.camera.is_rectified and rectified.masks.any() and not rectified.has_depth
    fewer = replace(rectified, masks=rectified.masks[:1], labels=(), scores=(), instance_ids=())
    assert len(fewer.masks) == 1 and not fewer.has_depth
    assert replace(fewer, depth=frame_files.depth_mm() / 1000).has_depth


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf])
def test_a_depth_image_without_a_reading_must_be_meant_so(value: float) -> None:
    empty = np.full(SHAPE, value, np.float32)
    with pytest.raises(InputError, match="depth: not one"):
        view(empty)
    allowed = view(empty, allow_no_depth=True)
    assert not allowed.has_depth and not allowed.depth.any()


def test_readings_that_no_sensor_has_are_none() -> None:
    depth = (frame_files.depth_mm() / 1000).astype(np.float32)
    damaged = depth.copy()
    damaged[0, :3] = np.nan, 1e38, 1001
    cleaned = view(damaged).depth
    assert not cleaned[0, :3].any()
    np.testing.assert_array_equal(cleaned[1:], depth[1:])


def test_allowing_none_does_not_relax_what_is_asked_of_readings() -> None:
    with pytest.raises(InputError, match="divide by 1000"):
        view(frame_files.depth_mm().astype(np.float32), allow_no_depth=True)
    with pytest.raises(InputError, match="depth: shape"):
        view(np.zeros((3, 4), np.float32), allow_no_depth=True)
    seen = view(frame_files.depth_mm() / 1000, allow_no_depth=True)
    assert seen.has_depth and view(frame_files.depth_mm() / 1000).has_depth
