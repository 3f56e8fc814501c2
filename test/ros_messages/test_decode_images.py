"""Image messages to arrays."""

import array
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from input_messages import (
    FRAME,
    STAMP_NS,
    arc2017,
    arc2017_label_image,
    compressed,
    header,
    image,
    image_file,
)

from iscene_ros.ros.decode_images import (
    COLOR_FORMATS,
    decode_color,
    decode_compressed_color,
    decode_depth,
)
from iscene_ros.ros.decode_instances import decode_instances
from iscene_ros.session.rejection import RejectedInputError, RejectReason

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
DEPTH_MM = np.random.default_rng(1).integers(0, 65536, (6, 5), np.uint16)


def encoded(rgb, encoding):
    if encoding == "mono8":
        return rgb[..., 0]
    channels = rgb if encoding.startswith("rgb") else rgb[..., ::-1]
    return np.dstack([channels, np.full(rgb.shape[:2], 7, np.uint8)][: 1 + ("a" in encoding)])


@pytest.mark.parametrize("encoding", COLOR_FORMATS)
@pytest.mark.parametrize("padding", [0, 3])
def test_every_color_encoding_gives_the_same_rgb(encoding, padding):
    decoded = decode_color(image(encoded(RGB, encoding), encoding, padding))
    expected = np.repeat(RGB[..., :1], 3, -1) if encoding == "mono8" else RGB
    np.testing.assert_array_equal(decoded.rgb, expected)
    assert decoded.rgb.flags.c_contiguous and decoded.rgb.dtype == np.uint8
    assert (decoded.stamp_ns, decoded.frame_id) == (STAMP_NS, FRAME)


def test_the_real_frame_survives_its_messages():
    frame = arc2017()
    color = decode_color(image(frame.rgb[..., ::-1], "bgr8"))
    depth = decode_depth(image(frame.depth, "32FC1", padding=2), 0.001)
    ids = arc2017_label_image()
    instances = decode_instances(image(ids.astype(np.uint8), "mono8"), "ids")
    np.testing.assert_array_equal(color.rgb, frame.rgb)
    np.testing.assert_array_equal(depth.depth, frame.depth)
    np.testing.assert_array_equal(instances.ids, ids)


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    padding=st.integers(0, 5),
    big_endian=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_depth_is_read_whatever_the_layout(height, width, padding, big_endian, seed):
    steps = np.random.default_rng(seed).integers(0, 65535, (height, width), np.uint16)
    metres = steps.astype(np.float32) * np.float32(0.001)
    for encoding, pixels in (("16UC1", steps), ("mono16", steps), ("32FC1", metres)):
        decoded = decode_depth(image(pixels, encoding, padding, big_endian), 0.001)
        assert decoded.depth.dtype == np.float32 and decoded.depth.dtype.isnative
        np.testing.assert_allclose(decoded.depth, metres, rtol=1e-6)


def test_saturated_depth_is_no_reading():
    steps = np.array([[65534, 65535, 1, 0]], np.uint16)
    np.testing.assert_allclose(
        decode_depth(image(steps, "16UC1"), 0.0001).depth, [[6.5534, 0, 0.0001, 0]], rtol=1e-6
    )


def test_the_unit_of_a_step_is_a_setting():
    decoded = decode_depth(image(DEPTH_MM, "16UC1"), 0.00025)
    np.testing.assert_allclose(decoded.depth, DEPTH_MM * 0.00025, rtol=1e-6)


def test_holes_of_the_depth_stay():
    depth = np.array([[np.nan, np.inf, -np.inf, 0, 1.5]], np.float32)
    np.testing.assert_array_equal(decode_depth(image(depth, "32FC1"), 0.001).depth, depth)


def test_nothing_aliases_the_memory_of_the_message():
    ids = np.ones((6, 5), np.int32)
    for decode, message in (
        (lambda m: decode_color(m).rgb, image(RGB, "rgb8")),
        (lambda m: decode_color(m).rgb, image(RGB[..., 0], "mono8")),
        (lambda m: decode_depth(m, 0.001).depth, image(np.ones((6, 5), np.float32), "32FC1")),
        (lambda m: decode_instances(m, "ids").ids, image(ids, "32SC1")),
    ):
        message.data = bytearray(message.data)
        decoded = decode(message)
        before = decoded.copy()
        message.data[:] = bytes(len(message.data))
        np.testing.assert_array_equal(decoded, before)
        decoded[:] = 0


@pytest.mark.parametrize(
    "as_held", [bytes, bytearray, memoryview, lambda d: array.array("B", bytes(d)), np.array]
)
def test_data_may_be_held_by_any_buffer(as_held):
    message = image(RGB, "rgb8")
    message.data = as_held(message.data)
    np.testing.assert_array_equal(decode_color(message).rgb, RGB)


@pytest.mark.parametrize(
    ("changed", "reason", "word"),
    [
        ({"encoding": "yuv422"}, RejectReason.ENCODING, "yuv422"),
        ({"encoding": "8UC3"}, RejectReason.ENCODING, "rgb8 or bgr8"),
        ({"encoding": "8UC4"}, RejectReason.ENCODING, "rgba8 or bgra8"),
        ({"encoding": "line\nbreak"}, RejectReason.ENCODING, "line"),
        ({"step": 14}, RejectReason.SIZE, "step of 14 bytes, expected at least 15"),
        ({"step": 0}, RejectReason.SIZE, "step"),
        ({"step": 16}, RejectReason.SIZE, "90 bytes of data, expected 96"),
        ({"height": 7}, RejectReason.SIZE, "data"),
        ({"height": 2**32 - 1, "width": 2**32 - 1}, RejectReason.SIZE, "pixels"),
        ({"width": 0}, RejectReason.EMPTY, "0 x 6"),
        ({"data": np.zeros(0, np.uint8)}, RejectReason.EMPTY, "no data"),
        ({"header": header(stamp_ns=0)}, RejectReason.STAMP, "zero"),
        ({"header": header(stamp_ns=-5)}, RejectReason.STAMP, "-1 s"),
        ({"header": header("a\nb")}, RejectReason.FRAME, "printable"),
    ],
)
def test_a_malformed_color_image_is_refused_in_one_line(changed, reason, word):
    with pytest.raises(RejectedInputError, match=word) as rejected:
        decode_color(image(RGB, "rgb8", **changed))
    assert rejected.value.reason == reason
    assert str(rejected.value).isprintable()


def test_too_many_nanoseconds_are_refused():
    message = image(RGB, "rgb8")
    message.header.stamp.nanosec = 10**9
    with pytest.raises(RejectedInputError, match="1000000000 ns"):
        decode_color(message)


def test_depth_needs_a_frame_and_color_does_not():
    assert decode_color(image(RGB, "rgb8", header=header(""))).frame_id == ""
    with pytest.raises(RejectedInputError) as rejected:
        decode_depth(image(DEPTH_MM, "16UC1", header=header("")), 0.001)
    assert rejected.value.reason == RejectReason.FRAME


def test_slashes_before_a_frame_are_dropped():
    assert decode_color(image(RGB, "rgb8", header=header("/camera"))).frame_id == "camera"


@pytest.mark.parametrize("encoding", ["64FC1", "16SC1", "rgb8", "32FC3"])
def test_other_depth_encodings_are_refused(encoding):
    with pytest.raises(RejectedInputError, match="32FC1, 16UC1, mono16") as rejected:
        decode_depth(image(DEPTH_MM, encoding), 0.001)
    assert rejected.value.reason == RejectReason.ENCODING


@pytest.mark.parametrize(
    ("encoding", "dtype"),
    [("mono8", "u1"), ("8UC1", "u1"), ("mono16", "u2"), ("16UC1", "u2"), ("32SC1", "i4")],
)
def test_label_images_keep_their_ids(encoding, dtype):
    ids = np.array([[0, 1, 200], [3, 3, 0]], dtype)
    decoded = decode_instances(image(ids, encoding, padding=1, big_endian=True), "ids")
    np.testing.assert_array_equal(decoded.ids, ids)
    assert decoded.ids.dtype == np.int32 and decoded.classes == ()


def test_class_and_instance_are_split():
    pixels = np.array([[0, 5 << 16 | 1, 5 << 16 | 2], [7 << 16, 9 << 16 | 3, 3]], np.int32)
    pixels[1, 2] = 4
    decoded = decode_instances(image(pixels, "32SC1"), "class_and_id")
    np.testing.assert_array_equal(decoded.ids, [[0, 1, 2], [0, 3, 4]])
    assert decoded.classes == ((1, 5), (2, 5), (3, 9), (4, 0))


def test_instances_counted_anew_for_every_class_stay_apart():
    pixels = np.array([[2 << 16 | 1, 5 << 16 | 1, 5 << 16 | 2]], np.int32)
    decoded = decode_instances(image(pixels, "32SC1"), "class_and_id")
    np.testing.assert_array_equal(decoded.ids, [[2 << 16 | 1, 5 << 16 | 1, 2]])
    assert dict(decoded.classes) == {2 << 16 | 1: 2, 5 << 16 | 1: 5, 2: 5}


@pytest.mark.parametrize(
    ("pixels", "encoding", "setting", "reason", "word"),
    [
        (
            np.array([[1, 2], [-7, -9]], np.int32),
            "32SC1",
            "ids",
            RejectReason.OBSERVATION,
            "id -7 at",
        ),
        (
            np.arange(600, dtype=np.uint16)[None],
            "mono16",
            "ids",
            RejectReason.OBSERVATION,
            "is this an",
        ),
        (
            np.ones((2, 2), np.uint8),
            "mono8",
            "class_and_id",
            RejectReason.ENCODING,
            "expected 32SC1",
        ),
        (np.ones((2, 2), np.float32), "32FC1", "ids", RejectReason.ENCODING, "32SC1"),
    ],
)
def test_an_image_that_is_no_label_image_is_refused(pixels, encoding, setting, reason, word):
    with pytest.raises(RejectedInputError, match=word) as rejected:
        decode_instances(image(pixels, encoding), setting)
    assert rejected.value.reason == reason


def test_as_many_instances_as_can_be_are_taken():
    ids = np.repeat(np.arange(513, dtype=np.uint16), 3)[None]
    np.testing.assert_array_equal(decode_instances(image(ids, "16UC1"), "ids").ids, ids)


@pytest.mark.parametrize("text", ["png", "rgb8; png compressed bgr8", "bgr8; png compressed bgr8"])
def test_a_png_is_decompressed(text):
    decoded = decode_compressed_color(compressed(image_file(RGB, "png"), text))
    np.testing.assert_array_equal(decoded.rgb, RGB)
    assert (decoded.stamp_ns, decoded.frame_id) == (STAMP_NS, FRAME)


@pytest.mark.parametrize("text", ["rgb8; png compressed rgb8", "bgr8; png compressed "])
def test_channels_that_opencv_took_for_bgr_are_exchanged_back(text):
    decoded = decode_compressed_color(compressed(image_file(RGB[..., ::-1].copy(), "png"), text))
    np.testing.assert_array_equal(decoded.rgb, RGB)


def test_gray_becomes_rgb_and_alpha_is_dropped():
    gray = decode_compressed_color(compressed(image_file(RGB[..., 0].copy(), "png"), "mono8; png"))
    np.testing.assert_array_equal(gray.rgb, np.repeat(RGB[..., :1], 3, -1))
    alpha = np.dstack([RGB, RGB[..., 0]])
    np.testing.assert_array_equal(
        decode_compressed_color(compressed(image_file(alpha, "png"), "png")).rgb, RGB
    )


def test_a_jpeg_of_the_real_frame_looks_the_same():
    rgb = arc2017().rgb
    data = image_file(rgb, "jpeg")
    decoded = decode_compressed_color(compressed(data, "rgb8; jpeg compressed bgr8"))
    assert np.abs(decoded.rgb.astype(int) - rgb).mean() < 6


@pytest.mark.parametrize(
    ("data", "text", "reason"),
    [
        (b"", "jpeg", RejectReason.EMPTY),
        (b"not an image", "jpeg", RejectReason.MALFORMED),
        (image_file(RGB, "jpeg")[:300], "jpeg", RejectReason.MALFORMED),
        (image_file(RGB, "png")[:60], "png", RejectReason.MALFORMED),
        (image_file(RGB, "bmp"), "bmp", RejectReason.MALFORMED),
        (image_file(DEPTH_MM, "png"), "png", RejectReason.ENCODING),
        (
            b"\0" * 12 + image_file(DEPTH_MM, "png"),
            "16UC1; compressedDepth png",
            RejectReason.ENCODING,
        ),
        (image_file(np.zeros((8001, 8001), bool), "png"), "png", RejectReason.SIZE),
    ],
)
def test_bytes_that_are_no_color_image_are_refused(data, text, reason):
    with pytest.raises(RejectedInputError) as rejected:
        decode_compressed_color(compressed(data, text))
    assert rejected.value.reason == reason and str(rejected.value).isprintable()


def test_a_vga_depth_image_takes_few_milliseconds():
    message = image(np.full((480, 640), 1234, np.uint16), "16UC1")
    times = []
    for _ in range(9):
        start = time.perf_counter()
        decode_depth(message, 0.001)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.01


def test_noise_is_refused_and_a_late_id_is_found():
    noise = np.random.default_rng(0).integers(0, 2**31, (200, 300)).astype(np.int32)
    with pytest.raises(RejectedInputError, match="more than 512"):
        decode_instances(image(noise, "32SC1"), "ids")
    stripes = np.tile(np.array([1, 2], np.int32), (200, 150))
    stripes[-1, -1] = 9 << 16 | 3
    decoded = decode_instances(image(stripes, "32SC1"), "class_and_id")
    assert decoded.classes == ((1, 0), (2, 0), (3, 9))
