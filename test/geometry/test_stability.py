"""Physical properties of one object."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_objects import scene_object
from made_scenes import ball, box, cup, moved

from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.stability import margin_inside, object_properties


@given(
    size=st.tuples(st.floats(0.02, 0.2), st.floats(0.02, 0.2), st.floats(0.02, 0.2)),
    position=st.tuples(*[st.floats(-1.0, 1.0)] * 2),
)
@settings(max_examples=6, deadline=None)
def test_volume_and_centre_of_mass_of_a_box(size, position) -> None:
    found = object_properties(scene_object(1, box(size, position)).mesh)
    assert found.volume == pytest.approx(np.prod(size), rel=1e-3)
    assert found.center_of_mass == pytest.approx((0, 0, 0), abs=1e-5)


def test_standing_cup_is_upright() -> None:
    found = object_properties(scene_object(1, cup(0.04, 0.09)).mesh)
    assert found.upright_axis == pytest.approx((0, 0, 1), abs=0.02)


def test_lying_board_is_upright_on_its_large_face() -> None:
    found = object_properties(Mesh(*_tilted_board()))
    assert abs(found.upright_axis @ [0.6, 0, 0.8]) == pytest.approx(1.0, abs=1e-3)


def test_ball_has_its_volume_and_stands_on_a_facet() -> None:
    found = object_properties(scene_object(1, moved(ball(0.05, (0, 0, 0)), (0.3, 0, 0))).mesh)
    assert found.volume == pytest.approx(4 / 3 * np.pi * 0.05**3, rel=0.01)
    assert found.upright_axis is not None


def test_mesh_without_a_finite_triangle_has_no_properties() -> None:
    assert object_properties(Mesh(np.full((3, 3), np.nan), np.array([[0, 1, 2]]))) is None


def test_margin_is_negative_outside_of_the_support() -> None:
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    assert margin_inside(square, np.array([0.5, 0.3])) == pytest.approx(0.3)
    assert margin_inside(square, np.array([1.3, 0.5])) == pytest.approx(-0.3)
    assert margin_inside(square[:2], np.array([0.5, 0.2])) == pytest.approx(-0.2)
    assert margin_inside(square[:0], np.zeros(2)) == -np.inf


def _tilted_board() -> tuple[np.ndarray, np.ndarray]:
    board = box((0.2, 0.2, 0.01), bottom=-0.005)
    turn = np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]])
    return np.float32(board.vertices @ turn.T), np.int32(board.faces)
