"""Predicted shapes that overlap are separated where their certainties say."""

import numpy as np
import pytest

from iscene_ros.core.frames import Cube
from iscene_ros.models.mini.confidence import Calibration
from iscene_ros.models.mini.predicted_shape import DistanceShape
from iscene_ros.models.mini.separation import separated
from iscene_ros.preprocess.crops import InstanceCrop

SIDE, TRUNCATION = 32, 4.0


def block(center, half, error: float, size: float = 0.32) -> DistanceShape:
    """Return a box with half edges [m] around a centre, predicted with an error [m]."""
    cube = Cube(np.asarray(center, float), size)
    points = cube.voxel_centers_aligned(SIDE) - center
    outside = np.abs(points) - np.asarray(half)
    metres = np.linalg.norm(np.maximum(outside, 0), axis=-1) + np.minimum(outside.max(-1), 0)
    unit = TRUNCATION * size / SIDE
    return DistanceShape(
        crop=InstanceCrop(0, cube, np.zeros((0, 3)), 0.0),
        distance=np.clip(metres / unit, -1, 1).astype(np.float32),
        error=np.full((SIDE,) * 3, error / unit, np.float32),
        readings=1.0,
        truncation=TRUNCATION,
        calibration=Calibration(),
        faces=500,
        separated=np.clip(metres / unit, -1, 1).astype(np.float32),
    )


def top_and_bottom(upper: DistanceShape, lower: DistanceShape) -> tuple[float, float]:
    """Return the lowest height of the upper shape and the highest of the lower one [m]."""
    heights = []
    for shape in (upper, lower):
        inside = np.argwhere(shape.surface_distance < 0)
        points = shape.crop.cube.to_aligned((inside + 0.5) / SIDE - 0.5)
        heights.append(points[:, 2])
    return float(heights[0].min()), float(heights[1].max())


@pytest.mark.parametrize("size", [0.32, 0.4])
def test_what_is_certain_stays_and_what_is_guessed_gives_way(size):
    lower = block((0, 0, 0), (0.1, 0.1, 0.05), error=0.001)
    upper = block((0.01, 0, 0.08), (0.05, 0.05, 0.05), error=0.02, size=size)
    bottom, top = top_and_bottom(*separated([upper, lower]))
    assert top > 0.05 - 0.011 and bottom > top - 0.005
    assert top_and_bottom(upper, lower)[0] < 0.04


def test_no_order_of_the_shapes_is_preferred():
    one, two = (block((0, 0, z), (0.08, 0.06, 0.05), error=0.005) for z in (0.0, 0.08))
    first, second = separated([one, two])
    reverse = separated([two, one])
    np.testing.assert_array_equal(first.surface_distance, reverse[1].surface_distance)
    np.testing.assert_array_equal(second.surface_distance, reverse[0].surface_distance)


def test_shapes_that_do_not_overlap_keep_their_surfaces():
    one, two = (block((x, 0, 0), (0.05, 0.05, 0.05), error=0.005) for x in (0.0, 0.13))
    for before, after in zip((one, two), separated([one, two]), strict=True):
        np.testing.assert_array_equal(before.surface_distance < 0, after.surface_distance < 0)


def test_a_shape_without_a_solid_part_is_left_alone():
    empty = block((0, 0, 0), (0.05, 0.05, 0.05), error=0.005)
    empty.separated[:] = 1.0
    solid = block((0, 0, 0), (0.05, 0.05, 0.05), error=0.005)
    assert (separated([empty, solid])[1].surface_distance < 0).sum() > 100
