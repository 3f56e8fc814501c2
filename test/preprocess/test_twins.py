"""Twins: equal objects of one view are found with the motion between them, others are not."""

import numpy as np
import pytest
from orbit_views import orbit_view, table_view

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.lab.synthetic.primitives import box, cylinder, ellipsoid, pose
from iscene_ros.lab.synthetic.shapes import Solid
from iscene_ros.preprocess.twins import find_twins, with_twins

PACK = (0.10, 0.07, 0.08)
CORNERS = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T
UNKNOWN = {1: "object", 2: "object"}


def solid(edges):
    return Solid((box(edges),))


def standing(edges, at, yaw=0.0):
    return solid(edges), pose((*at, edges[2] / 2), yaw=yaw)


def twins_of(view):
    aligned_frame = GravityAlignedFrame.from_gravity(view.gravity_camera)
    return list(find_twins(view, aligned_frame))


def world_motion(view, twin):
    aligned = GravityAlignedFrame.from_gravity(view.gravity_camera).camera_from_aligned()
    world_from_aligned = view.world_from_camera @ aligned
    return world_from_aligned @ twin.motion @ np.linalg.inv(world_from_aligned)


def corner_error(view, twin, placed, edges):
    """Return the largest distance of a moved corner of a box to the nearest true one [m]."""
    corners = np.c_[CORNERS * edges, np.ones(8)].T
    moved = world_motion(view, twin) @ placed[twin.better_row][1] @ corners
    true = placed[twin.row][1] @ corners
    return np.linalg.norm(moved[:3, :, None] - true[:3, None], axis=0).min(axis=1).max()


HALF_HIDDEN = [
    standing(PACK, (0.07, 0.0)),
    standing(PACK, (-0.07, 0.0)),
    standing((0.045, 0.03, 0.12), (-0.085, -0.09)),
]


@pytest.mark.parametrize("yaw", [0.0, 0.4, -0.3])
def test_a_half_hidden_box_has_the_other_one_as_its_twin(yaw):
    placed = [HALF_HIDDEN[0], standing(PACK, (-0.07, 0.0), yaw), HALF_HIDDEN[2]]
    view = table_view(placed, -90, UNKNOWN)
    (twin,) = twins_of(view)
    assert (twin.row, twin.better_row) == (1, 0)
    assert corner_error(view, twin, placed, PACK) < 0.008  # 2.5 pixels


def test_the_order_of_masks_does_not_matter():
    (twin,) = twins_of(table_view(HALF_HIDDEN, -90, {2: "object", 1: "object"}))
    assert (twin.row, twin.better_row) == (0, 1)


@pytest.mark.parametrize("edges", [(0.13, 0.07, 0.08), (0.10, 0.07, 0.06), (0.07, 0.05, 0.056)])
def test_a_lookalike_of_another_size_is_no_twin(edges):
    placed = [HALF_HIDDEN[0], standing(edges, (-0.08, 0.0)), HALF_HIDDEN[2]]
    assert twins_of(table_view(placed, -90, UNKNOWN)) == []


def test_equal_shapes_of_different_classes_are_no_twins():
    assert twins_of(table_view(HALF_HIDDEN, -90, {1: "tea", 2: "coffee"})) == []


def test_an_instance_that_is_seen_as_well_as_the_other_one_keeps_to_itself():
    placed = [HALF_HIDDEN[0], standing(PACK, (-0.07, 0.0))]
    assert twins_of(table_view(placed, -90, UNKNOWN)) == []


def test_a_ball_is_a_twin_however_it_is_turned():
    ball = Solid((ellipsoid((0.04, 0.04, 0.04)),))
    placed = [(ball, pose((0.07, 0.0, 0.04))), (ball, pose((-0.08, 0.0, 0.04))), HALF_HIDDEN[2]]
    view = table_view(placed, -90, UNKNOWN)
    (twin,) = twins_of(view)
    center = world_motion(view, twin) @ placed[twin.better_row][1][:, 3]
    assert np.linalg.norm(center - placed[twin.row][1][:, 3]) < 0.008  # 2.5 pixels


def test_a_can_is_no_twin_of_a_box():
    can = Solid((cylinder(0.04, 0.04),))
    placed = [HALF_HIDDEN[0], (can, pose((-0.07, 0.0, 0.04))), HALF_HIDDEN[2]]
    assert twins_of(table_view(placed, -90, UNKNOWN)) == []


def test_a_box_whose_ends_are_hidden_could_lie_anywhere_along():
    bar = (0.16, 0.05, 0.05)
    hides = ((0.07, 0.02, 0.12), (0.07, 0.02, 0.12))
    placed = [
        standing(bar, (0.0, 0.14)),
        standing(bar, (0.0, 0.0)),
        standing(hides[0], (0.065, -0.06)),
        standing(hides[1], (-0.065, -0.06)),
    ]
    view = table_view(placed, -90, UNKNOWN)
    seen = view.masks[1].any(axis=0)
    assert 100 < view.masks[1].sum() and np.ptp(np.flatnonzero(seen)) < 30
    assert twins_of(view) == []


def test_the_view_of_the_twin_shows_the_instance_in_its_place():
    view = table_view(HALF_HIDDEN, -90, UNKNOWN)
    aligned_frame = GravityAlignedFrame.from_gravity(view.gravity_camera)
    earlier = {2: (orbit_view(0, ids=(2,)),)}
    evidence = with_twins(view, aligned_frame, earlier)
    assert set(evidence) == {2} and evidence[2][:-1] == earlier[2]
    shown = evidence[2][-1]
    own = shown.masks[shown.instance_ids.index(2)]
    rows, columns = np.nonzero(own & (shown.depth > 0))
    points = shown.camera.unproject(np.c_[columns, rows], shown.depth[rows, columns])
    points = points @ shown.world_from_camera[:3, :3].T + shown.world_from_camera[:3, 3]
    assert (np.abs(points - HALF_HIDDEN[1][1][:3, 3]) < np.array(PACK) / 2 + 0.005).all()


@pytest.mark.parametrize("labels", [{}, {1: "object"}])
def test_fewer_than_two_instances_have_no_twins(labels):
    view = orbit_view(-90, ids=tuple(labels)) if labels else _without_masks(orbit_view(-90))
    assert twins_of(view) == []


def _without_masks(view):
    from dataclasses import replace

    nothing = np.zeros((0, *view.depth.shape), bool)
    return replace(view, masks=nothing, labels=(), scores=(), instance_ids=())
