"""Symmetry, same shapes, rows and grids, and other properties of objects."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from made_objects import scene_object
from made_scenes import ball, bodies, box, chair, cup, joined, moved

from iscene_ros.core.predicate import Predicate
from iscene_ros.geometry.shape_samples import ShapeSample
from iscene_ros.geometry.symmetry import symmetry_axes, symmetry_planes
from iscene_ros.lab.evaluation.symmetry_scores import _found, known_shapes
from iscene_ros.relations.object_properties import object_properties
from iscene_ros.relations.rows import arrangements
from iscene_ros.relations.same_shape import same_shape_candidates


def turned(mesh, seed):
    turn = trimesh.transformations.random_rotation_matrix(np.random.default_rng(seed).random(3))
    return mesh.copy().apply_transform(turn)


def sample(mesh):
    return ShapeSample.of(bodies(mesh)[0])


def hand(side=1.0):
    """A body without any symmetry; `side` -1 is its mirror image."""
    parts = [
        trimesh.creation.box(bounds=b)
        for b in (
            [[0, 0, 0], [0.1, 0.03, 0.02]],
            [[0, 0, 0], [0.03, 0.07, 0.02]],
            [[0, 0, 0], [0.02, 0.02, 0.06]],
        )
    ]
    mesh = joined(*parts)
    return mesh.apply_transform(np.diag([1.0, 1.0, side, 1.0]))


@pytest.mark.parametrize("number", range(len(known_shapes(np.random.default_rng(0)))))
def test_symmetries_of_known_shapes(number) -> None:
    rng = np.random.default_rng(number)
    shape = known_shapes(rng)[number]
    for right, found, wanted in _found(shape, rng):
        assert right == found == wanted, shape.name


def test_errors_of_symmetries_are_small_lengths() -> None:
    found = symmetry_planes(sample(turned(box((0.1, 0.06, 0.03)), 1)))
    assert len(found) == 3 and all(0 <= plane.error_m < 3e-4 for plane in found)


def test_ball_has_three_axes_for_all() -> None:
    round_ = sample(ball(0.05, (0.1, 0.2, 0.3)))
    assert [axis.order for axis in symmetry_axes(round_)] == [0, 0, 0]
    assert len(symmetry_planes(round_)) == 3


def test_copies_are_found_whatever_their_pose() -> None:
    shapes = [turned(m, i) for i, m in enumerate([chair(), hand(), chair(), hand(-1.0), hand()])]
    found = {
        (c.subject, c.predicate, c.object): c.features[0]
        for c in same_shape_candidates([sample(m) for m in shapes], [True] * 5)
    }
    good = {edge for edge, error in found.items() if error < 0.5}
    assert good == {
        (0, Predicate.SAME_SHAPE, 2),
        (1, Predicate.SAME_SHAPE, 4),
        (1, Predicate.MIRRORED, 3),
        (3, Predicate.MIRRORED, 4),
    }


def test_row_and_grid() -> None:
    places = [[0.1 * i, 0.12 * j, 0.0] for j in range(2) for i in range(3)]
    (grid,) = arrangements(range(1, 8), [*places, [0.7, 0.5, 0.0]], [1e-3] * 7)
    assert grid.kind == "grid" and set(grid.members) == {1, 2, 3, 4, 5, 6}
    (row,) = arrangements([5, 6, 7, 8], [[0.3, 0, 0], [0, 0, 0], [0.2, 0.001, 0], [0.1, 0, 0]], [0])
    assert row.kind == "row" and row.members in ((5, 7, 8, 6), (6, 8, 7, 5))
    assert np.abs(row.steps[0]) == pytest.approx((0.1, 0, 0), abs=1e-3)
    assert arrangements([1, 2], [[0, 0, 0], [1, 0, 0]], [0.0]) == ()
    assert arrangements([1, 2, 3], [[0, 0, 0], [1, 0, 0], [1.6, 0, 0]], [0.0]) == ()


@given(
    size=st.tuples(st.floats(0.02, 0.2), st.floats(0.02, 0.2), st.floats(0.02, 0.2)),
    place=st.tuples(*[st.floats(-1.0, 1.0)] * 2),
)
@settings(max_examples=6, deadline=None)
def test_box_is_measured(size, place) -> None:
    item = scene_object(1, box(size, place))
    found = object_properties(item)
    assert found.volume_m3 == pytest.approx(np.prod(size), rel=1e-3)
    assert found.center_of_mass == pytest.approx((0, 0, 0), abs=1e-5)
    assert found.box_size == pytest.approx(sorted(size, reverse=True), rel=1e-3)
    turn = found.box_from_object[:3, :3]
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-6)


def test_standing_cup_is_upright() -> None:
    found = object_properties(scene_object(1, cup(0.04, 0.09)))
    assert found.upright_axis == pytest.approx((0, 0, 1), abs=0.02)
    assert found.axes[0].order == 0
    assert abs(found.axes[0].direction[2]) == pytest.approx(1.0, abs=1e-2)


def test_ball_stands_on_no_face_for_long() -> None:
    found = object_properties(scene_object(1, moved(ball(0.05, (0, 0, 0)), (0.3, 0, 0))))
    assert found.volume_m3 == pytest.approx(4 / 3 * np.pi * 0.05**3, rel=0.01)
    assert found.upright_axis is not None  # a facet of its mesh
