"""Transforms and poses to matrices."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from input_messages import FRAME, STAMP_NS, odometry, pose_stamped, transform, transforms
from scipy.spatial.transform import Rotation

from iscene_ros.core.frames import check_rigid
from iscene_ros.ros.decode_poses import decode_odometry, decode_pose, decode_transform
from iscene_ros.session.rejection import RejectedInputError, RejectReason

COMPONENT = st.floats(-1, 1)


def received_transform(**changed):
    return transforms(transform(**changed)).transforms[0]


@given(
    xyzw=st.tuples(*[COMPONENT] * 4),
    translation=st.tuples(*[st.floats(-100, 100)] * 3),
    length=st.floats(0.991, 1.009),
)
def test_a_transform_carries_points_as_its_quaternion_does(xyzw, translation, length):
    norm = np.linalg.norm(xyzw)
    assume(norm > 0.1)
    unit = np.array(xyzw) / norm
    message = received_transform(translation=translation, xyzw=tuple(unit * length))
    pose = decode_transform(message, static=False).parent_from_child
    check_rigid(pose, "pose")
    point = np.array([0.3, -0.7, 1.1])
    expected = Rotation.from_quat(unit).apply(point) + translation
    np.testing.assert_allclose((pose @ [*point, 1])[:3], expected, atol=1e-9)


def test_names_and_stamp_of_a_transform():
    sample = decode_transform(received_transform(parent="/map", child="//cam"), static=False)
    assert (sample.parent, sample.child, sample.stamp_ns) == ("map", "cam", STAMP_NS)
    assert not sample.static


def test_a_static_transform_needs_no_stamp():
    message = received_transform(stamp_ns=0)
    assert decode_transform(message, static=True).static
    with pytest.raises(RejectedInputError, match="stamp is zero") as rejected:
        decode_transform(message, static=False)
    assert rejected.value.reason == RejectReason.STAMP


def test_a_pose_is_that_of_the_camera():
    half = np.sqrt(0.5)
    sample = decode_pose(pose_stamped(xyzw=(0, 0, half, half)))
    assert (sample.parent, sample.child, sample.stamp_ns) == ("map", "", STAMP_NS)
    expected = [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(sample.parent_from_child, expected, atol=1e-12)


@pytest.mark.parametrize(("child", "expected"), [("/base_link", "base_link"), ("", "")])
def test_odometry_is_the_pose_of_its_child(child, expected):
    sample = decode_odometry(odometry(child))
    assert (sample.parent, sample.child) == ("odom", expected)
    np.testing.assert_array_equal(sample.parent_from_child[:3, 3], [1, 2, 3])


@pytest.mark.parametrize(
    ("changed", "reason", "word"),
    [
        ({"xyzw": (0, 0, 0, 0)}, RejectReason.POSE, "norm 0"),
        ({"xyzw": (0, 0, 0, 1.02)}, RejectReason.POSE, "norm 1.02"),
        ({"xyzw": (1e200, 0, 0, 1e200)}, RejectReason.POSE, "norm"),
        ({"xyzw": (0, 0, np.nan, 1)}, RejectReason.POSE, "not finite"),
        ({"translation": (0, np.inf, 0)}, RejectReason.POSE, "not finite"),
        ({"translation": (0, 1e30, 0)}, RejectReason.POSE, "1e\\+30 m"),
        ({"child": "map"}, RejectReason.FRAME, "its own parent"),
        ({"child": "/"}, RejectReason.FRAME, "child_frame_id is empty"),
        ({"parent": ""}, RejectReason.FRAME, "header.frame_id is empty"),
        ({"child": "a\nb"}, RejectReason.FRAME, "printable"),
        ({"child": "c" * 300}, RejectReason.FRAME, "256"),
        ({"stamp_ns": -(10**9)}, RejectReason.STAMP, "-1 s"),
    ],
)
def test_a_bad_transform_is_refused_in_one_line(changed, reason, word):
    with pytest.raises(RejectedInputError, match=word) as rejected:
        decode_transform(received_transform(**changed), static=False)
    assert rejected.value.reason == reason
    assert str(rejected.value).isprintable()


def test_poses_without_a_frame_are_refused():
    for decode, message in (
        (decode_pose, pose_stamped(frame_id="")),
        (decode_odometry, odometry(frame_id="")),
        (decode_odometry, odometry(child="odom")),
    ):
        with pytest.raises(RejectedInputError) as rejected:
            decode(message)
        assert rejected.value.reason == RejectReason.FRAME


def test_the_line_names_the_frames():
    with pytest.raises(RejectedInputError, match=f"^map -> {FRAME}: "):
        decode_transform(received_transform(xyzw=(0, 0, 0, 0)), True)
