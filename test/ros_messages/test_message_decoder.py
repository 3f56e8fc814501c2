"""Whatever a topic brings is decoded or rejected, and the next good message counts."""

import random
import struct
from dataclasses import astuple, is_dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from input_messages import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    ODOMETRY,
    POSE,
    TF,
    TYPES,
    VISION,
    YOLO,
    camera_info,
    compressed,
    image,
    image_file,
    odometry,
    pose_stamped,
    transform,
    transforms,
    vision_detection,
    vision_detections,
    yolo_detection,
    yolo_detections,
)
from random_messages import damage

from iscene_ros.ros.message_decoder import MessageDecoder
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.topics import INPUT_KEYS, input_type
from iscene_ros.session.inputs import (
    ColorImage,
    DepthImage,
    Detections,
    InstanceImage,
    Intrinsics,
    PoseSample,
    TransformSample,
)
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.settings import Settings

RGB = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
IDS = np.repeat(np.arange(12, dtype=np.int32), 10).reshape(12, 10)
BOX = (5.0, 6.0, 3.0, 4.0)
SETTINGS = Settings(detections="vision_msgs", pose_source="pose", class_names=("cup", "bowl"))
MUTATIONS = 1000


def a_file(kind):
    return compressed(image_file(RGB, kind), kind)


def compressed_depth(encoding):
    file = struct.pack("<iff", 0, 10100.0, -1009.0) + image_file(IDS.astype(np.uint16), "png")
    return compressed(file, f"{encoding}; compressedDepth png")


# Name -> topic key, type, settings that differ, a good message, what it becomes.
KINDS = {
    "rgb8": ("rgb", IMAGE, {}, lambda: image(RGB, "rgb8"), ColorImage),
    "jpeg": ("rgb_compressed", COMPRESSED, {}, lambda: a_file("jpeg"), ColorImage),
    "png": ("rgb_compressed", COMPRESSED, {}, lambda: a_file("png"), ColorImage),
    "32FC1": ("depth", IMAGE, {}, lambda: image(IDS.astype(np.float32), "32FC1"), DepthImage),
    "16UC1": ("depth", IMAGE, {}, lambda: image(IDS.astype(np.uint16), "16UC1", 2), DepthImage),
    "compressedDepth": (
        "depth_compressed", COMPRESSED, {}, lambda: compressed_depth("16UC1"), DepthImage,
    ),
    "quantised": (
        "depth_compressed", COMPRESSED, {}, lambda: compressed_depth("32FC1"), DepthImage,
    ),
    "compressed ids": (
        "instances_compressed", COMPRESSED, {},
        lambda: compressed(image_file(IDS.astype(np.uint8), "png"), "mono8; png"), InstanceImage,
    ),
    "raw": ("camera_info", CAMERA_INFO, {}, lambda: camera_info(d=np.full(5, 0.1)), Intrinsics),
    "rectified": ("camera_info", CAMERA_INFO, {"rectified": True}, camera_info, Intrinsics),
    "ids": ("instances", IMAGE, {}, lambda: image(IDS, "32SC1"), InstanceImage),
    "class_and_id": (
        "instances", IMAGE, {"instance_encoding": "class_and_id"},
        lambda: image(IDS << 16 | IDS, "32SC1"), InstanceImage,
    ),
    "vision_msgs": (
        "detections", VISION, {},
        lambda: vision_detections(vision_detection([("1", 0.5), ("cup", 0.4)], BOX, id="7")),
        Detections,
    ),
    "yolo_msgs": (
        "detections", YOLO, {"detections": "yolo_msgs"},
        lambda: yolo_detections(yolo_detection("cup", 0.5, BOX, [[1, 1], [9, 1], [5, 9]])),
        Detections,
    ),
    "pose": ("camera_pose", POSE, {}, pose_stamped, PoseSample),
    "odometry": ("camera_pose", ODOMETRY, {"pose_source": "odometry"}, odometry, PoseSample),
    "tf": ("tf", TF, {}, lambda: transforms(transform(), transform(child="b")), TransformSample),
    "tf_static": ("tf_static", TF, {}, lambda: transforms(transform()), TransformSample),
}  # fmt: skip


class RejectionCounts(list):
    """What a decoder rejected; checks that every line is one to read."""

    def __call__(self, reason, line):
        assert isinstance(reason, RejectReason)
        assert line.isprintable() and "; " in line and len(line) < 1500, line
        self.append((reason, line))


def decoder_for(kind):
    rejections = RejectionCounts()
    return MessageDecoder(replace(SETTINGS, **KINDS[kind][2]), rejections), rejections


def check(decoded):
    """An input that was decoded keeps what its docstring says."""
    if isinstance(decoded, (TransformSample, PoseSample)):
        assert np.all(np.isfinite(decoded.parent_from_child)) and decoded.parent
        rotation = decoded.parent_from_child[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
        assert decoded.parent != decoded.child and (decoded.stamp_ns > 0 or decoded.static)
        return
    least = 0 if isinstance(decoded, Intrinsics) else 1
    assert least <= decoded.stamp_ns < 2**63
    assert decoded.frame_id.isprintable() | (not decoded.frame_id)
    if isinstance(decoded, ColorImage):
        assert decoded.rgb.dtype == np.uint8 and decoded.rgb.shape[2:] == (3,)
    elif isinstance(decoded, DepthImage):
        assert decoded.depth.dtype == np.float32 and decoded.depth.ndim == 2 and decoded.frame_id
    elif isinstance(decoded, InstanceImage):
        assert decoded.ids.dtype == np.int32 and decoded.ids.min() >= 0
        assert {i for i, _ in decoded.classes} <= set(decoded.ids.ravel().tolist())
    elif isinstance(decoded, Intrinsics):
        assert np.all(np.isfinite(decoded.camera.k)) and np.all(np.isfinite(decoded.camera.d))
    else:
        for item in decoded.items:
            assert 0 <= item.score <= 1 and item.label.isprintable()
            assert item.box is None or (np.all(np.isfinite(item.box)) and np.all(item.box[2:] > 0))
            assert item.polygon is None or np.all(np.isfinite(item.polygon))


def take(decoder, rejections, topic, message):
    """Decode; the message ends as an input or a rejection (an empty TFMessage as neither)."""
    before = len(rejections)
    decoded = decoder.decode(topic, message)
    for made in decoded:
        check(made)
    for _, line in rejections[before:]:
        assert line.startswith(topic)
    empty = topic.startswith("tf") and not getattr(message, "transforms", None)
    assert decoded or len(rejections) > before or empty
    return decoded


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_message_is_decoded(kind):
    topic, name, _, good, expected = KINDS[kind]
    decoder, rejections = decoder_for(kind)
    decoded = take(decoder, rejections, topic, good())
    assert decoded and all(isinstance(made, expected) for made in decoded)
    assert input_type(topic, decoder.settings) == name and not rejections


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_fields_never_raise(kind):
    topic, name, _, good, expected = KINDS[kind]
    decoder, rejections = decoder_for(kind)
    chance = random.Random(kind)
    whole = TYPES.serialize(name, good())
    for turn in range(MUTATIONS):
        message = TYPES.deserialize(name, whole)
        writable(message)
        for _ in range(chance.randint(1, 3)):
            damage(message, chance, foreign=turn % 2 == 0)
        take(decoder, rejections, topic, message)
    assert len(rejections) > MUTATIONS / 10
    count = len(rejections)
    assert isinstance(take(decoder, rejections, topic, good())[0], expected)
    assert len(rejections) == count


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bytes_never_raise(kind):
    topic, name, _, good, expected = KINDS[kind]
    decoder, rejections = decoder_for(kind)
    chance = random.Random(kind)
    whole = TYPES.serialize(name, good())
    readable = 0
    for _ in range(MUTATIONS):
        data = bytearray(whole)
        # Damage near the start hits sizes and texts; an image's end is pixels alone.
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(4, min(len(data), 200))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(8, len(data)) :]
        try:
            message = TYPES.deserialize(name, bytes(data))
        # What cannot be read never reaches the decoder.
        except Exception:
            continue
        readable += 1
        take(decoder, rejections, topic, message)
    assert readable > MUTATIONS / 20
    count = len(rejections)
    assert isinstance(take(decoder, rejections, topic, good())[0], expected)
    assert len(rejections) == count


def writable(message):
    """Give a message that was read from bytes arrays of its own."""
    for name, value in vars(message).items():
        if isinstance(value, np.ndarray):
            setattr(message, name, value.copy())


@pytest.mark.parametrize("kind", ["jpeg", "png", "compressedDepth", "quantised", "compressed ids"])
def test_damaged_files_never_raise(kind):
    topic, _, _, good, _ = KINDS[kind]
    decoder, rejections = decoder_for(kind)
    chance = random.Random(kind)
    message = good()
    whole = bytes(message.data)
    for _ in range(MUTATIONS):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        take(decoder, rejections, topic, compressed(bytes(data), message.format))
    assert {reason for reason, _ in rejections} <= {
        RejectReason.MALFORMED,
        RejectReason.ENCODING,
        RejectReason.SIZE,
        RejectReason.EMPTY,
    }
    assert decoder.decode(topic, good())


@pytest.mark.parametrize("topic", INPUT_KEYS)
@pytest.mark.parametrize(
    "thing", [None, 3, b"bytes", "text", object(), SimpleNamespace(transforms=[1, None])]
)
def test_things_that_are_no_messages_are_malformed(topic, thing):
    rejections = RejectionCounts()
    assert MessageDecoder(SETTINGS, rejections).decode(topic, thing) == []
    assert rejections and {reason for reason, _ in rejections} == {RejectReason.MALFORMED}
    assert f"{topic}: AttributeError" in rejections[0][1] and "expected a valid" in rejections[0][1]


@pytest.mark.parametrize(
    "error", [MemoryError(), OverflowError("a\nb"), UnicodeDecodeError("utf-8", b"", 0, 1, "x")]
)
def test_errors_of_a_field_are_malformed(error):
    class Broken:
        @property
        def header(self):
            raise error

    rejections = RejectionCounts()
    assert MessageDecoder(SETTINGS, rejections).decode("depth", Broken()) == []
    assert rejections[0][0] == RejectReason.MALFORMED and type(error).__name__ in rejections[0][1]


def test_one_bad_transform_does_not_lose_the_good_ones():
    rejections = RejectionCounts()
    message = transforms(
        transform(child="a"), transform(child="b", xyzw=(0, 0, 0, 0)), transform(child="c")
    )
    decoded = MessageDecoder(SETTINGS, rejections).decode("tf", message)
    assert [sample.child for sample in decoded] == ["a", "c"]
    assert [reason for reason, _ in rejections] == [RejectReason.POSE] and "map -> b" in rejections[
        0
    ][1]


def test_one_bad_detection_does_not_lose_the_good_ones():
    rejections = RejectionCounts()
    message = vision_detections(
        vision_detection([("cup", 0.5)], BOX), vision_detection([("bowl", -1.0)], BOX)
    )
    message.detections.append(None)
    (decoded,) = MessageDecoder(SETTINGS, rejections).decode("detections", message)
    assert [item.label for item in decoded.items] == ["cup"]
    assert [reason for reason, _ in rejections] == [
        RejectReason.DETECTIONS,
        RejectReason.MALFORMED,
    ]
    assert "detections: score -1 of detection 1" in rejections[0][1]
    assert "detections: detection 2: AttributeError" in rejections[1][1]


def test_settings_may_be_replaced():
    rejections = RejectionCounts()
    decoder = MessageDecoder(SETTINGS, rejections)
    message = image(np.full((2, 2), 1000, np.uint16), "16UC1")
    (first,) = decoder.decode("depth", message)
    decoder.settings = replace(SETTINGS, depth_unit=0.01)
    (second,) = decoder.decode("depth", message)
    np.testing.assert_allclose([first.depth[0, 0], second.depth[0, 0]], [1, 10])


@pytest.mark.parametrize("topic", ["detections", "camera_pose"])
def test_a_topic_that_the_settings_do_not_use_is_refused(topic):
    rejections = RejectionCounts()
    decoder = MessageDecoder(Settings(), rejections)
    assert input_type(topic, decoder.settings) is None
    assert decoder.decode(topic, vision_detections()) == []
    assert topic in rejections[0][1]


def test_unknown_topics_are_a_mistake_of_the_caller():
    with pytest.raises(KeyError):
        MessageDecoder(SETTINGS, RejectionCounts()).decode("rbg", None)


def test_messages_of_rclpy_are_decoded_alike():
    pytest.importorskip("rclpy", reason="ROS 2 is not installed or not sourced")
    rclpy_types = RclpyTypes()
    for kind, (topic, name, _, good, _) in KINDS.items():
        if name == YOLO:
            pytest.importorskip("yolo_msgs.msg", reason="yolo_msgs is not installed")
        decoder, rejections = decoder_for(kind)
        message = good()
        same = rclpy_types.deserialize(name, TYPES.serialize(name, message))
        for ours, theirs in zip(
            decoder.decode(topic, message), decoder.decode(topic, same), strict=True
        ):
            assert_same(ours, theirs)
        assert not rejections


def assert_same(ours, theirs):
    if is_dataclass(ours):
        ours, theirs = astuple(ours), astuple(theirs)
    if isinstance(ours, tuple):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert_same(mine, other)
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert ours == theirs
