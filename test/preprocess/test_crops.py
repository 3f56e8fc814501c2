"""Fitting of cubes; instances without depth are skipped with a reason."""

from dataclasses import replace

import numpy as np
import pytest

from iscene_ros.core.camera import Camera
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.crops import MAX_SIZE_M, MIN_SIZE_M, fit_crops
from iscene_ros.preprocess.depth_cleaning import drop_see_through_depth
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

K = np.array([[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]])
CAMERA = Camera(320, 240, K)
LEVEL = GravityAlignedFrame.from_gravity([0, 1.0, 0])


def wall(depth=1.0, boxes=((100, 150, 100, 150, 0.8),)) -> Observation:
    """A wall with flat boxes (top, bottom, left, right, depth) in front of it."""
    image = np.full((240, 320), depth, np.float32)
    masks = np.zeros((len(boxes), 240, 320), bool)
    for mask, (top, bottom, left, right, z) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
        image[top:bottom, left:right] = z
    return Observation(image, masks, CAMERA, gravity_camera=np.array([0, 1.0, 0]))


def test_without_depth_the_smaller_mask_keeps_the_overlap():
    masks = np.zeros((2, 40, 60), bool)
    masks[0, 5:35, 5:50] = True
    masks[1, 10:20, 40:58] = True
    camera = Camera(60, 40, np.array([[60.0, 0, 30], [0, 60, 20], [0, 0, 1]]))
    visible = resolve_mask_overlaps(Observation(None, masks, camera)).masks
    np.testing.assert_array_equal(visible[1], masks[1])
    np.testing.assert_array_equal(visible[0], masks[0] & ~masks[1])


def test_the_cube_holds_the_observed_points_with_room_behind_them():
    crop = fit_crops(wall(), LEVEL).instances[0]
    inside = crop.cube.from_aligned(crop.points_aligned)
    assert np.abs(inside).max() < 0.5
    room_behind = crop.cube.center_aligned[1] + crop.cube.size / 2 - crop.points_aligned[:, 1].max()
    room_before = crop.points_aligned[:, 1].min() - (
        crop.cube.center_aligned[1] - crop.cube.size / 2
    )
    assert room_behind > 2 * room_before > 0


@pytest.mark.parametrize("pixels", [1, 5])
def test_few_pixels_are_skipped_with_a_reason(pixels):
    crops = fit_crops(wall(boxes=((100, 101, 100, 100 + pixels, 0.8),)), LEVEL)
    assert crops.instances == ()
    index, reason = crops.skipped[0]
    assert index == 0 and f"{pixels} usable depth readings" in reason


def test_an_instance_without_depth_is_skipped_and_the_others_are_not():
    observation = wall(boxes=((50, 80, 50, 80, 0.0), (100, 150, 100, 150, 0.8)))
    crops = fit_crops(observation, LEVEL)
    assert [crop.index for crop in crops.instances] == [1]
    assert crops.skipped[0][0] == 0 and "0 usable depth readings" in crops.skipped[0][1]


def test_background_that_bled_into_a_mask_does_not_stretch_the_cube():
    clean = fit_crops(wall(), LEVEL).instances[0]
    observation = wall()
    masks = observation.masks.copy()
    masks[0, 95:155, 97:153] = True  # 20 % more, all of it wall 20 cm behind
    bled = fit_crops(replace(observation, masks=masks), LEVEL).instances[0]
    assert bled.points_aligned[:, 1].max() < 0.85
    assert bled.cube.size < 1.5 * clean.cube.size


def test_straight_from_above_the_cube_reaches_the_support():
    down = GravityAlignedFrame.from_gravity([0, 0, 1.0])
    crop = fit_crops(wall(), down).instances[0]
    assert crop.support_height == pytest.approx(-1.0, abs=0.01)
    assert crop.cube.center_aligned[2] - crop.cube.size / 2 < -0.95


def test_cubes_stay_within_their_bounds():
    views = wall(0.1, ((100, 104, 100, 104, 0.1),)), wall(9.0, ((10, 230, 10, 310, 8.0),))
    sizes = [fit_crops(view, LEVEL).instances[0].cube.size for view in views]
    assert sizes == [MIN_SIZE_M, MAX_SIZE_M]


def test_the_depth_in_an_overlap_goes_to_the_surface_that_explains_it():
    observation = wall(boxes=((60, 160, 60, 160, 0.9), (100, 200, 100, 200, 0.7)))
    visible = resolve_mask_overlaps(observation).masks
    assert visible[1, 100:160, 100:160].all()
    assert not (visible[0] & visible[1]).any()
    np.testing.assert_array_equal(visible.any(axis=0), observation.masks.any(axis=0))


def test_an_instance_within_another_keeps_its_pixels():
    observation = wall(boxes=((60, 160, 60, 160, 0.9), (100, 120, 100, 120, 0.88)))
    visible = resolve_mask_overlaps(observation).masks
    assert visible[1].sum() == 400 and not visible[0, 100:120, 100:120].any()


def test_masks_without_overlap_are_left_alone():
    observation = wall()
    assert resolve_mask_overlaps(observation) is observation


def test_readings_far_below_the_support_are_dropped_and_others_kept():
    down = GravityAlignedFrame.from_gravity([0, 0, 1.0])
    observation = wall()  # seen from above: a box 0.8 m below the camera on a table at 1 m
    depth = observation.depth.copy()
    depth[110:120, 110:120] = 1.5  # through the table, inside the mask
    depth[130:135, 110:120] = 1.0  # on the table: the mask bleeds
    depth[10:20, 10:20] = 1.5  # below the table, outside the mask
    observation = replace(observation, depth=depth)
    cleaned = drop_see_through_depth(observation, fit_crops(observation, down)).depth
    assert (cleaned[110:120, 110:120] == 0).all()
    changed = cleaned != depth
    assert changed.sum() == 100
    assert (observation.depth == depth).all()


def test_an_observation_without_see_through_readings_keeps_its_depth():
    down = GravityAlignedFrame.from_gravity([0, 0, 1.0])
    observation = wall()
    cleaned = drop_see_through_depth(observation, fit_crops(observation, down))
    np.testing.assert_array_equal(cleaned.depth, observation.depth)
