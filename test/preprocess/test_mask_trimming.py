"""Pixels of other surfaces are trimmed from a mask; slanted sides of the object stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps, trim_bleeding_masks

CAMERA = Camera(320, 240, np.array([[300.0, 0, 159.5], [0, 300, 119.5], [0, 0, 1]]))
OBJECT = (slice(90, 150), slice(120, 200))


def observed(depth: np.ndarray, bleeding: int = 0) -> Observation:
    """One object whose mask reaches `bleeding` pixels beyond it on all sides."""
    mask = np.zeros((240, 320), bool)
    mask[tuple(slice(s.start - bleeding, s.stop + bleeding) for s in OBJECT)] = True
    return Observation(depth, mask[None], CAMERA)


def box_before(background: float, near: float = 0.8) -> np.ndarray:
    depth = np.full((240, 320), background, np.float32)
    depth[OBJECT] = near
    return depth


@given(bleeding=st.integers(1, 4), background=st.one_of(st.floats(0.5, 0.7), st.floats(0.95, 3)))
def test_what_bleeds_in_is_left_out_and_all_of_the_object_stays(bleeding, background):
    trimmed = trim_bleeding_masks(observed(box_before(background), bleeding)).masks[0]
    expected = np.zeros_like(trimmed)
    expected[OBJECT] = True
    np.testing.assert_array_equal(trimmed, expected)


@given(slope=st.floats(-1.5, 1.5), noise=st.floats(0, 0.004), seed=st.integers(0, 99))
def test_a_slanted_side_stays_whole(slope, noise, seed):
    columns = np.arange(320) - 160
    depth = np.tile(0.8 + slope * columns * 0.8 / 300, (240, 1))
    depth += noise * np.random.default_rng(seed).uniform(-1, 1, depth.shape)
    observation = observed(np.maximum(depth, 0.05).astype(np.float32))
    np.testing.assert_array_equal(trim_bleeding_masks(observation).masks, observation.masks)


def test_pixels_without_a_reading_stay():
    depth = box_before(1.5)
    depth[88:92] = 0
    trimmed = trim_bleeding_masks(observed(depth, bleeding=3)).masks[0]
    assert trimmed[88:92, 130:190].all() and not trimmed[87, 130:190].any()


def test_a_thin_mask_is_judged_by_a_narrower_rim():
    depth = np.full((240, 320), 1.5, np.float32)
    depth[100:106, 50:250] = 0.8
    mask = np.zeros((1, 240, 320), bool)
    mask[0, 99:107, 50:250] = True
    trimmed = trim_bleeding_masks(Observation(depth, mask, CAMERA)).masks[0]
    assert trimmed[100:106, 52:248].all() and not trimmed[[99, 106]].any()


@pytest.mark.parametrize("size", [1, 2])
def test_a_mask_that_is_all_rim_stays(size):
    mask = np.zeros((1, 240, 320), bool)
    mask[0, 100 : 100 + size, 100 : 100 + size] = True
    observation = Observation(box_before(2.0), mask, CAMERA)
    np.testing.assert_array_equal(trim_bleeding_masks(observation).masks, mask)


def test_masks_of_the_real_frame_lose_little():
    frame = resolve_mask_overlaps(arc2017_observation())
    trimmed = trim_bleeding_masks(frame)
    kept = trimmed.masks.sum((1, 2)) / frame.masks.sum((1, 2))
    assert (kept > 0.85).all() and (kept < 1).any()
    assert not (trimmed.masks & ~frame.masks).any()


def test_a_view_without_objects_stays():
    view = Observation(box_before(1.0), np.zeros((0, 240, 320), bool), CAMERA)
    assert trim_bleeding_masks(view) is view
