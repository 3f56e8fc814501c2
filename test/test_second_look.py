"""Cubes that follow the prediction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscene_ros.seeing.second_look import SecondLookOptions, slot_around_prediction
from iscene_ros.seeing.slots import FitOptions, InstanceSlot
from iscene_ros.view_space import Cube

FIT, OPTIONS = FitOptions(), SecondLookOptions()
RESOLUTION = 32


def slot(size: float = 0.2, points: tuple = ((0, 0, 0), (0.01, 0.01, 0.01))) -> InstanceSlot:
    return InstanceSlot(0, Cube(np.zeros(3), size), np.array(points, float), -0.1)


def box_distance(cube: Cube, center: tuple, half: float) -> np.ndarray:
    """Signed distance [m] to an axis-aligned box on the voxels of a cube."""
    away = np.abs(cube.voxel_centers_view(RESOLUTION).reshape(-1, 3) - center) - half
    return away.max(axis=1).reshape((RESOLUTION,) * 3)


def test_a_cube_much_too_large_shrinks_around_the_body():
    first = slot(0.4)
    second = slot_around_prediction(first, box_distance(first.cube, (0, 0, 0), 0.03), FIT, OPTIONS)
    assert second.cube.size == pytest.approx(1.12 * 0.06 + 0.02, abs=0.02)


def test_a_body_that_runs_into_the_border_gets_a_longer_cube():
    first = slot(0.2)
    second = slot_around_prediction(first, box_distance(first.cube, (0, 0, 0), 0.2), FIT, OPTIONS)
    assert second.cube.size == pytest.approx(0.2 * OPTIONS.most_growth, rel=0.05)


def test_a_good_cube_stays():
    first = slot(1.12 * 0.16 + 0.02)
    assert (
        slot_around_prediction(first, box_distance(first.cube, (0, 0, 0), 0.08), FIT, OPTIONS)
        is None
    )


def test_where_nothing_is_predicted_there_is_nothing_to_follow():
    assert slot_around_prediction(slot(), np.ones((RESOLUTION,) * 3), FIT, OPTIONS) is None


def test_crumbs_are_not_followed():
    first = slot(0.4)
    distance = box_distance(first.cube, (0, 0, 0), 0.03)
    with_crumb = np.minimum(distance, box_distance(first.cube, (0.18, 0.18, 0.18), 0.01))
    assert (with_crumb < 0).sum() > (distance < 0).sum()
    alone, among = (slot_around_prediction(first, d, FIT, OPTIONS) for d in (distance, with_crumb))
    np.testing.assert_allclose(among.cube.center_view, alone.cube.center_view)
    assert among.cube.size == alone.cube.size


@given(
    center=st.tuples(*[st.floats(-0.1, 0.1)] * 3),
    half=st.floats(0.01, 0.15),
    point=st.tuples(*[st.floats(-0.15, 0.15)] * 3),
)
def test_the_second_cube_holds_what_was_predicted_and_what_was_seen(center, half, point):
    first = slot(0.4, (point, point))
    distance = box_distance(first.cube, center, half)
    second = slot_around_prediction(first, distance, FIT, OPTIONS)
    cube = first.cube if second is None else second.cube
    inside = first.cube.voxel_centers_view(RESOLUTION)[distance < 0]
    for points_view in (inside, np.array([point])):
        if len(points_view):
            assert np.abs(points_view - cube.center_view).max() <= cube.size / 2
