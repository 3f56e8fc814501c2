"""Symmetries of objects and alignments of shapes."""

import numpy as np
import pytest
import trimesh
from known_symmetries import found_symmetries, known_shapes
from made_objects import scene_object
from made_scenes import ball, bodies, box, chair, cup, joined

from iscene_ros.geometry.shape_alignment import ShapeSample, shape_matches
from iscene_ros.geometry.symmetry import object_symmetry, symmetry_axes, symmetry_planes


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
    for right, found, wanted in found_symmetries(shape, rng):
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
        (m.one, m.other, m.is_mirrored)
        for m in shape_matches([sample(shape) for shape in shapes])
        if m.error_m < 0.5 * m.tolerance_m
    }
    assert found == {(0, 2, False), (1, 4, False), (1, 3, True), (3, 4, True)}


def test_symmetry_of_an_object_is_given_in_its_own_frame() -> None:
    planes, axes = object_symmetry(scene_object(1, cup(0.04, 0.09)))
    assert axes[0].order == 0 and abs(axes[0].direction[2]) == pytest.approx(1.0, abs=1e-2)
    assert planes
