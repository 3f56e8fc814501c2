"""Depth and label images over image transports: what must stay exact."""

import struct

import numpy as np
import pytest
from input_messages import FRAME, STAMP_NS, compressed, image_file

from iscene_ros.ros.compressed_images import decode_compressed_depth, decode_compressed_instances
from iscene_ros.session.rejection import RejectedInputError, RejectReason

STEPS = np.random.default_rng(1).integers(1, 65535, (6, 5), np.uint16)
STEPS[0, 0], STEPS[0, 1] = 0, 65535


def behind_quantisation(file: bytes, a: float = 0.0, b: float = 0.0) -> bytes:
    """What compressed_depth_image_transport sends."""
    return struct.pack("<iff", 0, a, b) + file


@pytest.mark.parametrize("kind", ["16UC1; compressedDepth png", "16UC1; compressedDepth", ""])
def test_compressed_depth_is_exact(kind):
    decoded = decode_compressed_depth(
        compressed(behind_quantisation(image_file(STEPS, "png")), kind), 0.0001
    )
    assert (decoded.stamp_ns, decoded.frame_id) == (STAMP_NS, FRAME)
    expected = np.where(STEPS == 65535, 0, STEPS * 1e-4)
    np.testing.assert_allclose(decoded.depth, expected, rtol=1e-6)
    assert decoded.depth.dtype == np.float32


def test_a_plain_png_of_depth_is_read():
    message = compressed(image_file(STEPS, "png"), "16UC1; png compressed ")
    assert decode_compressed_depth(message, 0.001).depth[1, 1] == pytest.approx(STEPS[1, 1] / 1000)


def test_metres_come_back_from_their_quantised_inverse():
    metres = np.array([[0.5, 1.0, 2.0, 0.0]], np.float32)
    depth_max, quantum = 10.0, 100.0
    a = quantum * (quantum + 1.0)
    b = 1.0 - a / depth_max
    with np.errstate(divide="ignore"):
        steps = np.where(metres > 0, a / metres + b, 0).astype(np.uint16)
    file = behind_quantisation(image_file(steps, "png"), a, b)
    decoded = decode_compressed_depth(compressed(file, "32FC1; compressedDepth png"), 0.001)
    np.testing.assert_allclose(decoded.depth, metres, rtol=1e-3)
    assert decoded.depth.dtype == np.float32


def test_a_compressed_label_image_keeps_its_ids():
    ids = np.array([[0, 1, 300], [7, 7, 0]], np.uint16)
    decoded = decode_compressed_instances(compressed(image_file(ids, "png"), "mono16; png"), "ids")
    np.testing.assert_array_equal(decoded.ids, ids)
    assert decoded.ids.dtype == np.int32


RGB = np.zeros((4, 4, 3), np.uint8)
BAD = {
    "RVL": (b"\x00" * 40, "16UC1; compressedDepth rvl", RejectReason.ENCODING),
    "no PNG": (image_file(RGB, "jpeg"), "16UC1; jpeg compressed ", RejectReason.ENCODING),
    "no data": (b"", "16UC1; compressedDepth png", RejectReason.EMPTY),
    "no complete PNG": (image_file(STEPS, "png")[:60], "16UC1; png", RejectReason.MALFORMED),
    "mode RGB": (image_file(RGB, "png"), "16UC1; png", RejectReason.ENCODING),
}


@pytest.mark.parametrize("word", BAD)
@pytest.mark.parametrize(
    "decode",
    [lambda m: decode_compressed_depth(m, 0.001), lambda m: decode_compressed_instances(m, "ids")],
)
def test_what_cannot_be_exact_is_refused_by_name(word, decode):
    data, kind, reason = BAD[word]
    with pytest.raises(RejectedInputError, match=word) as rejected:
        decode(compressed(data, kind))
    assert rejected.value.reason == reason and str(rejected.value).isprintable()


def test_a_png_has_no_room_for_classes():
    with pytest.raises(RejectedInputError, match="raw 32SC1"):
        decode_compressed_instances(compressed(image_file(STEPS, "png"), "png"), "class_and_id")
