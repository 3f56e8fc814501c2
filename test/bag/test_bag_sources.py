"""Bags as other recorders and robots make them: clocks, names of TF, transports, old types."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bag_files import QUICK, contents, make_demo, rewritten, run_bag, stamp_ns
from fake_completer import FakeCompleter
from input_messages import COMPRESSED, TYPES, compressed, image_file

from iscene_ros.bag.reading import BagMessage

SECOND = 10**9


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo(tmp_path_factory.mktemp("demo") / "demo", frames=2)


def edited(message: BagMessage, change: Callable[[Any], None], **new: Any) -> BagMessage:
    """The message with its content changed in place, in the types of this package."""
    content = TYPES.deserialize(message.type_name, message.data)
    change(content)
    data = TYPES.serialize(message.type_name, content)
    return replace(message, data=data, typestore=TYPES.typestore, **new)


def restamped(seconds: float | None) -> Callable[[Any], None]:
    """Move a header's stamp; None = zero."""

    def change(content: Any) -> None:
        now = stamp_ns(content.header.stamp)
        moved = 0 if seconds is None else now + round(seconds * SECOND)
        content.header.stamp = TYPES.stamp(moved)

    return change


def renamed(names: dict[str, str]) -> Callable[[BagMessage], Iterable[BagMessage]]:
    return lambda m: [replace(m, topic=names.get(m.topic, m.topic))]


def frames_of(
    demo: Path,
    folder: Path,
    change: Callable[[BagMessage], Iterable[BagMessage]],
    *options: str,
) -> int:
    """Run over the bag with its messages changed; return the number of completed frames."""
    bag = rewritten(demo, folder / "bag", change)
    assert run_bag(bag, folder / "out", *QUICK, *options) == 0
    return len(contents(folder / "out")["/iscene/objects"])


@pytest.mark.parametrize("case", ["old and latched", "without stamp"])
def test_calibrations_of_another_time_are_read(demo: Path, tmp_path: Path, case: str) -> None:
    def change(message: BagMessage) -> list[BagMessage]:
        if message.topic != "/camera_info":
            return [message]
        if case == "without stamp":
            return [edited(message, restamped(None))]
        return [edited(message, restamped(-120), log_ns=message.log_ns - 10), message]

    assert frames_of(demo, tmp_path, change) == 2


def test_the_last_line_says_why_all_calibrations_were_refused(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def uncalibrated(content: Any) -> None:
        content.k = np.eye(3).ravel()

    def change(message: BagMessage) -> list[BagMessage]:
        bad = message.topic == "/camera_info"
        return [edited(message, uncalibrated) if bad else message]

    assert run_bag(rewritten(demo, tmp_path / "bag", change), tmp_path / "out") == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "camera_info: all refused: camera.k: focal lengths 1 and 1" in last
    assert "take P if the images are rectified" in last


def test_masks_that_never_match_are_counted_with_their_distance(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    last = contents(demo)["/instances"][-1].log_ns

    def change(message: BagMessage) -> list[BagMessage]:
        late = message.topic == "/instances" and message.log_ns == last
        return [edited(message, restamped(0.5)) if late else message]

    assert frames_of(demo, tmp_path, change) == 1
    printed = capsys.readouterr()
    assert "0.500 s off" in printed.err and "rejected: unsynchronised" in printed.out


NAMESPACED = {"/tf": "/robot1/tf", "/tf_static": "/robot1/tf_static"}


def test_tf_below_a_namespace_is_named_and_read(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bag = rewritten(demo, tmp_path / "bag", renamed(NAMESPACED))
    assert run_bag(bag, tmp_path / "no") == 2
    line = capsys.readouterr().err
    assert "--set topics.tf=/robot1/tf --set topics.tf_static=/robot1/tf_static" in line
    options = [o for key in NAMESPACED for o in ("--set", f"topics.{key[1:]}={NAMESPACED[key]}")]
    assert run_bag(bag, tmp_path / "out", *QUICK, *options) == 0
    done = contents(tmp_path / "out")
    assert len(done["/iscene/objects"]) == 2 and done["/robot1/tf"] and "/tf" not in done


STATIC = ("--static-transform", *"0 0 1 1 0 0 0 map camera_color_optical_frame".split())


def test_a_static_transform_can_be_given_where_the_bag_has_none(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    drop = {"/tf", "/tf_static"}
    bag = rewritten(demo, tmp_path / "bag", lambda m: [] if m.topic in drop else [m])
    assert run_bag(bag, tmp_path / "no") == 2
    assert "can be given by --static-transform" in capsys.readouterr().err.splitlines()[-1]
    assert run_bag(bag, tmp_path / "out", *QUICK, *STATIC) == 0
    assert contents(tmp_path / "out")["/iscene/objects"][0].message.header.frame_id == "map"


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        ("0 0 up 1 0 0 0 map cam", "expected numbers"),
        ("0 0 0 1 1 0 0 map cam", "quaternion of norm 1.41"),
        ("0 0 0 0 0 0 1 map map", "expected two frames"),
        ("0 0 0 0 0 0 1 / cam", "frame is empty"),
    ],
)
def test_a_bad_static_transform_is_refused(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture, texts: str, word: str
) -> None:
    assert run_bag(demo, tmp_path / "out", "--static-transform", *texts.split()) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"iscene: error: --static-transform {texts}: ") and word in line


def as_files(topic: str, encoding: str, head: bytes = b"") -> Callable:
    """Replaces the images of a topic by PNG files behind a head."""

    def change(message: BagMessage) -> list[BagMessage]:
        if message.topic != topic:
            return [message]
        image = message.decode()
        kind = {"32FC1": np.float32, "mono8": np.uint8}[image.encoding]
        pixels = np.asarray(image.data).view(kind).reshape(image.height, image.width)
        if image.encoding == "32FC1":
            pixels = (np.nan_to_num(pixels) * 1000).astype(np.uint16)
        image.header = TYPES.header(stamp_ns(image.header.stamp), image.header.frame_id)
        made = compressed(head + image_file(pixels, "png"), encoding, image)
        name = f"{topic}/compressedDepth" if head else f"{topic}/compressed"
        new = {"topic": name, "type_name": COMPRESSED, "typestore": TYPES.typestore}
        return [replace(message, data=TYPES.serialize(COMPRESSED, made), **new)]

    return change


DEPTH = as_files("/depth", "16UC1; compressedDepth png", struct.pack("<iff", 0, 0, 0))


@pytest.mark.parametrize(
    "option", ["depth_transport=compressedDepth", "topics.depth=/depth/compressedDepth"]
)
def test_compressed_depth_is_read(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture, option: str
) -> None:
    assert frames_of(demo, tmp_path, DEPTH, "--set", option) == 2
    assert run_bag(tmp_path / "bag", tmp_path / "no") == 2
    assert "--set depth_transport=compressedDepth" in capsys.readouterr().err


def test_compressed_masks_are_read(demo: Path, tmp_path: Path) -> None:
    change = as_files("/instances", "mono8; png compressed ")
    option = "topics.instances=/instances/compressed"
    assert frames_of(demo, tmp_path, change, "--set", option) == 2


def test_the_old_name_of_tf_messages_is_read(demo: Path, tmp_path: Path) -> None:
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    old = get_typestore(Stores.ROS1_NOETIC)
    name = "tf/msg/tfMessage"
    old.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms\n", name))
    with Writer(tmp_path / "old.bag") as writer:
        connections = {}
        for topic, messages in contents(demo).items():
            for m in messages:
                kind = name if topic in ("/tf", "/tf_static") else m.type_name
                if kind not in old.fielddefs:
                    continue
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=old)
                data = TYPES.typestore.cdr_to_ros1(m.data, m.type_name)
                writer.write(connections[topic], m.log_ns, data)
    assert run_bag(tmp_path / "old.bag", tmp_path / "out", *QUICK, "--keep-inputs") == 0
    done = contents(tmp_path / "out")
    assert done["/iscene/objects"][0].message.header.frame_id == "map"
    assert done["/tf"][0].type_name == "tf2_msgs/msg/TFMessage"


def test_of_many_topics_those_of_the_type_are_listed(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    names = {"/depth": "/device_0/sensor_0/Depth_0/image/data"}

    def change(message: BagMessage) -> list[BagMessage]:
        message = replace(message, topic=names.get(message.topic, message.topic))
        is_tf = message.topic == "/tf"
        many = [replace(message, topic=f"/device_0/option_{i}") for i in range(40 * is_tf)]
        return [message, *many]

    assert run_bag(rewritten(demo, tmp_path / "bag", change), tmp_path / "out") == 2
    line = capsys.readouterr().err
    assert f"--set topics.depth={names['/depth']}" in line and "option_" not in line
    assert (
        "Of type sensor_msgs/msg/Image the bag has: /device_0/sensor_0/Depth_0/image/data" in line
    )


class WarningCompleter(FakeCompleter):
    """Doubts every frame."""

    def complete(self, *arguments: Any, **options: Any) -> Any:
        scene = super().complete(*arguments, **options)
        return replace(scene, warnings=("gravity: contradicts the table; check the pose",))


def test_warnings_of_scenes_are_told_once_and_counted(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    load = lambda *_: WarningCompleter()  # noqa: E731
    assert run_bag(demo, tmp_path / "out", *QUICK, load=load) == 0
    printed = capsys.readouterr()
    assert printed.err.count("warning: gravity: contradicts the table") == 1
    assert "warned: gravity" in printed.out and printed.out.count("  2") >= 1
    status = contents(tmp_path / "out")["/diagnostics"][-1].message.status[0]
    values = {v.key: v.value for v in status.values}
    assert values["warning: gravity"] == "2"
    assert values["newest warning"].startswith("gravity: contradicts")


def test_a_frame_of_somebody_else_is_not_broadcast(demo: Path, tmp_path: Path) -> None:
    def renaming(content: Any) -> None:
        for transform in content.transforms:
            for holder, field in ((transform.header, "frame_id"), (transform, "child_frame_id")):
                if getattr(holder, field) == "camera_link":
                    setattr(holder, field, "object_1")

    def change(message: BagMessage) -> list[BagMessage]:
        return [edited(message, renaming) if message.topic.startswith("/tf") else message]

    assert frames_of(demo, tmp_path, change) == 2
    for message in (m.message for m in contents(tmp_path / "out")["/tf"]):
        assert {t.child_frame_id for t in message.transforms} == {"object_2", "object_3"}
