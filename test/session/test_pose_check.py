"""The check of camera poses against what the frame before saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bin_scene import SIDES, looking, seen
from hypothesis import given, settings
from hypothesis import strategies as st
from table_scene import Thing, shoot

from iscene_ros.geometry.camera_view import CameraView
from iscene_ros.session.pose_check import BROKEN, REFUSED_FRAMES, PoseCheck, contradiction
from iscene_ros.session.rejection import RejectedInputError, RejectReason

JUMP = np.eye(4)
JUMP[2, 3] = 0.3
shift = st.floats(-0.3, 0.3)


@given(st.tuples(shift, shift, shift))
@settings(max_examples=25, deadline=None)
def test_a_camera_that_moved_agrees_with_itself(offset):
    views = [seen(SIDES[0]), seen(looking(np.array([0, -0.7, 0.7]) + offset))]
    assert contradiction(*(CameraView(v, v.world_from_camera) for v in views)) < 0.1


@given(st.floats(0.1, 0.5), st.sampled_from([-1, 1]))
@settings(max_examples=25, deadline=None)
def test_a_pose_that_jumped_contradicts(by, way):
    view = seen(SIDES[0])
    wrong = view.world_from_camera.copy()
    wrong[:3, 3] += way * by * wrong[:3, 2]
    right = CameraView(view, view.world_from_camera)
    assert contradiction(right, CameraView(view, wrong)) > 0.5


def test_a_jump_is_refused_twice_and_then_believed():
    check, view = PoseCheck(), seen(SIDES[0])
    moved = replace(view, world_from_camera=JUMP @ view.world_from_camera)
    assert check.check(view, "map") is False
    for _ in range(REFUSED_FRAMES):
        with pytest.raises(RejectedInputError, match="sees through") as caught:
            check.check(moved, "map")
        assert caught.value.reason == RejectReason.POSE
    assert check.check(moved, "map") is True
    assert check.check(moved, "map") is False


def test_another_frame_and_a_view_without_pose_are_compared_with_nothing():
    check, view = PoseCheck(), seen(SIDES[0])
    moved = replace(view, world_from_camera=JUMP @ view.world_from_camera)
    assert not check.check(view, "map") and not check.check(moved, "odom")
    assert not check.check(replace(view, world_from_camera=None), "odom")
    assert not check.check(view, "odom")


def test_objects_that_all_move_at_once_tell_only_where_they_rest():
    things = [Thing(-0.2, 0), Thing(0, 0), Thing(0.2, 0)]
    before, after = (
        shoot([Thing(t.x, t.y + shift) for t in things]).tracked.observation for shift in (0, 0.12)
    )
    views = [CameraView(o, o.world_from_camera) for o in (before, after)]
    assert contradiction(*views) > BROKEN > contradiction(*views, objects_rest=False)
