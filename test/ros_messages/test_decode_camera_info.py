"""Calibration messages to the camera of the images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from input_messages import FRAME, STAMP_NS, arc2017, camera_info, header, region

from iscene_ros.ros.decode_camera_info import decode_camera_info
from iscene_ros.session.rejection import RejectedInputError, RejectReason

RATIONAL = np.array([0.4, -0.2, 1e-3, -2e-3, 0.05, 0.3, -0.1, 0.02])


def test_the_real_calibration_survives_its_message():
    camera = arc2017().camera
    message = camera_info(
        width=camera.width, height=camera.height, k=camera.k.ravel().copy(), d=camera.d.copy()
    )
    decoded = decode_camera_info(message, rectified=False)
    assert (decoded.stamp_ns, decoded.frame_id) == (STAMP_NS, FRAME)
    assert (decoded.camera.width, decoded.camera.height) == (camera.width, camera.height)
    np.testing.assert_array_equal(decoded.camera.k, camera.k)
    np.testing.assert_array_equal(decoded.camera.d, camera.d)


def test_rectified_images_follow_p_and_have_no_distortion():
    camera = decode_camera_info(camera_info(d=np.full(5, 0.1)), rectified=True).camera
    np.testing.assert_array_equal(camera.k, [[590, 0, 321], [0, 605, 241], [0, 0, 1]])
    assert camera.is_rectified


def test_without_p_rectified_images_follow_k_where_there_is_no_distortion():
    camera = decode_camera_info(camera_info(p=np.zeros(12)), rectified=True).camera
    np.testing.assert_array_equal(camera.k, [[600, 0, 320], [0, 610, 240], [0, 0, 1]])
    with pytest.raises(RejectedInputError, match="P is all zero") as rejected:
        decode_camera_info(camera_info(p=np.zeros(12), d=np.full(5, 0.1)), rectified=True)
    assert rejected.value.reason == RejectReason.INTRINSICS


@pytest.mark.parametrize(
    ("model", "d", "expected"),
    [
        ("plumb_bob", [], [0] * 5),
        ("", [], [0] * 5),
        ("", [0.0] * 5, [0] * 5),
        ("equidistant", [0.0] * 4, [0] * 5),
        ("plumb_bob", [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4, 0]),
        ("plumb_bob", [0.1, 0.2, 0.3, 0.4, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("plumb_bob", [0.1, 0.2, 0.3, 0.4, 0.5, 0, 0, 0], [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("rational_polynomial", list(RATIONAL), list(RATIONAL)),
        ("rational_polynomial", [*RATIONAL, 0, 0, 0, 0], list(RATIONAL)),
    ],
)
def test_distortion_models(model, d, expected):
    message = camera_info(distortion_model=model, d=np.array(d, np.float64))
    camera = decode_camera_info(message, rectified=False).camera
    np.testing.assert_array_equal(camera.d, expected)


@given(
    binning=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    x=st.integers(0, 300),
    y=st.integers(0, 200),
    rectified=st.booleans(),
)
def test_region_and_binning_move_projected_points_as_they_move_pixels(binning, x, y, rectified):
    window = region(x, y, 320, 240)
    message = camera_info(roi=window, binning_x=binning[0], binning_y=binning[1])
    published = decode_camera_info(message, rectified).camera
    sensor = decode_camera_info(camera_info(), rectified).camera
    factors = np.maximum(binning, 1)
    points = np.array([[0.1, -0.2, 1.5], [-0.3, 0.2, 0.7]])
    expected = (sensor.project(points) - [x, y]) / factors
    np.testing.assert_allclose(published.project(points), expected)
    assert (published.width, published.height) == (320 // factors[0], 240 // factors[1])


def test_a_region_of_zeros_is_the_whole_image():
    camera = decode_camera_info(camera_info(roi=region(0, 0, 0, 0)), rectified=False).camera
    assert (camera.width, camera.height) == (640, 480)


def changed_k(**entries):
    k = np.array([600.0, 0, 320, 0, 610, 240, 0, 0, 1])
    for place, value in entries.items():
        k[int(place[1:])] = value
    return {"k": k}


@pytest.mark.parametrize(
    ("changed", "reason", "word"),
    [
        ({"k": np.zeros(9)}, RejectReason.INTRINSICS, "uncalibrated"),
        (changed_k(_0=np.nan), RejectReason.INTRINSICS, "K is not finite"),
        (changed_k(_4=np.inf), RejectReason.INTRINSICS, "K is not finite"),
        (changed_k(_0=-600), RejectReason.INTRINSICS, "focal lengths -600"),
        (changed_k(_0=1e300), RejectReason.INTRINSICS, "focal lengths"),
        (changed_k(_8=0), RejectReason.INTRINSICS, "camera"),
        ({"d": np.array([0.1, np.nan, 0, 0, 0])}, RejectReason.INTRINSICS, "D is not finite"),
        ({"d": np.full(3, 0.1)}, RejectReason.INTRINSICS, "D has 3 numbers"),
        ({"d": np.full(8, 0.1)}, RejectReason.INTRINSICS, "expected 5 for plumb_bob"),
        (
            {"d": np.full(4, 0.1), "distortion_model": "equidistant"},
            RejectReason.INTRINSICS,
            "rectify",
        ),
        ({"d": np.full(5, 0.1), "distortion_model": ""}, RejectReason.INTRINSICS, "plumb_bob or"),
        ({"width": 0}, RejectReason.EMPTY, "0 x 480"),
        ({"width": 2**31, "height": 2**31}, RejectReason.SIZE, "pixels"),
        ({"roi": region(600, 0, 100, 100)}, RejectReason.INTRINSICS, "region of interest"),
        ({"roi": region(5, 5, 0, 0)}, RejectReason.INTRINSICS, "region of interest"),
        ({"binning_x": 641}, RejectReason.INTRINSICS, "binning"),
        ({"k": np.eye(3).ravel()}, RejectReason.INTRINSICS, "take P if the images are rectified"),
        (changed_k(_0=600 / 480, _4=610 / 480), RejectReason.INTRINSICS, "shares of the image"),
    ],
)
def test_a_bad_calibration_is_refused_in_one_line(changed, reason, word):
    with pytest.raises(RejectedInputError, match=word) as rejected:
        decode_camera_info(camera_info(**changed), rectified=False)
    assert rejected.value.reason == reason
    assert str(rejected.value).isprintable()


def test_a_calibration_needs_no_stamp():
    assert decode_camera_info(camera_info(header=header(stamp_ns=0)), rectified=False).stamp_ns == 0


def test_of_rectified_images_p_holds_whatever_k_is():
    camera = decode_camera_info(camera_info(k=np.eye(3).ravel()), rectified=True).camera
    assert camera.k[0, 0] == 590
