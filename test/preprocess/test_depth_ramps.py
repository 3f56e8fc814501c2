"""Readings of depth ramps between an object and what lies behind it are dropped."""

import numpy as np
import pytest
from scipy import ndimage

from iscene_ros.core.camera import Camera
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.depth_cleaning import drop_depth_ramps

CAMERA = Camera(160, 120, np.array([[150.0, 0, 79.5], [0, 150.0, 59.5], [0, 0, 1]]))
OBJECT = (slice(40, 80), slice(50, 110))


def view(depth: np.ndarray) -> Observation:
    masks = np.zeros((1, 120, 160), bool)
    masks[0][OBJECT] = True
    return Observation(depth.astype(np.float32), masks, CAMERA)


def object_before_wall() -> np.ndarray:
    depth = np.full((120, 160), 0.9)
    depth[OBJECT] = 0.6
    return depth


@pytest.mark.parametrize("width", [2, 4])
def test_a_ramp_is_dropped_and_both_surfaces_stay(width):
    ideal = object_before_wall()
    ramped = ndimage.uniform_filter(ideal, 1 + width)
    kept = drop_depth_ramps(view(ramped)).depth
    on_ramp = np.abs(ramped - ideal) > 0.005
    assert on_ramp.sum() > 100 and not kept[on_ramp].any()
    far_from_it = ndimage.distance_transform_edt(~on_ramp) > 4
    np.testing.assert_array_equal(kept[far_from_it], ramped.astype(np.float32)[far_from_it])


@pytest.mark.parametrize("elevation_deg", [8, 20, 45])
def test_a_table_at_a_grazing_angle_stays(elevation_deg):
    rows = np.arange(120)[:, None] - 59.5
    angle = np.radians(elevation_deg) + np.arctan(rows / 150.0)
    ray = 0.3 / np.sin(np.maximum(angle, 1e-3))
    depth = ray * np.cos(np.arctan(rows / 150.0)) * np.ones((1, 160))
    depth = np.where((angle > 0.05) & (depth < 4), depth, 0)
    observation = view(depth)
    kept = drop_depth_ramps(observation).depth > 0
    assert kept[observation.depth > 0].mean() > 0.97


def test_a_view_without_jumps_stays_as_it_is():
    observation = view(np.full((120, 160), 0.7))
    assert drop_depth_ramps(observation) is observation


def test_a_view_without_readings_stays_as_it_is():
    empty = view(np.full((120, 160), 0.7)).with_depth(np.zeros((120, 160)))
    assert not drop_depth_ramps(empty).depth.any()
