from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bag_files import DETECTED, QUICK, contents, make_demo, rewritten, run_bag, stamp_ns
from fake_completer import FakeCompleter
from input_messages import COMPRESSED, TYPES, compressed, image_file

from iscene_ros.bag.reading import BagMessage
from iscene_ros.bag.writing import new_bag
from iscene_ros.io.demo_frame import demo_frame
from iscene_ros.ros.message_decoder import MessageDecoder


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo(tmp_path_factory.mktemp("demo") / "demo", frames=2)


def labels(out: Path) -> set[str]:
    detections = contents(out)["/iscene/objects"][0].message.detections
    return {detection.results[0].hypothesis.class_id for detection in detections}


def test_topics_named_by_a_parameter_file_are_read(demo: Path, tmp_path: Path) -> None:
    def renamed(message: BagMessage) -> list[BagMessage]:
        names = {"/depth": "/robot/depth/image", "/instances": "/masks"}
        return [replace(message, topic=names.get(message.topic, message.topic))]

    bag = rewritten(demo, tmp_path / "bag", renamed)
    config = tmp_path / "config.yaml"
    config.write_text(
        "/**:\n  ros__parameters:\n    use_sim_time: true\n    detections: vision_msgs\n"
        "    max_instances: 2\n    topics:\n      depth: /robot/depth/image\n      instances: x\n"
    )
    options = ["--config", str(config), "--set", "topics.instances=masks"]
    assert run_bag(bag, tmp_path / "out", *options) == 0
    assert len(contents(tmp_path / "out")["/iscene/objects"]) == 2
    assert labels(tmp_path / "out") < set(demo_frame().observation.labels)


def test_one_file_alone_is_a_bag(demo: Path, tmp_path: Path) -> None:
    assert run_bag(next(demo.glob("*.mcap")), tmp_path / "out.db3", *QUICK) == 0
    assert (tmp_path / "out.db3").is_file()
    assert len(contents(tmp_path / "out.db3")["/iscene/objects"]) == 2


def test_compressed_colour(demo: Path, tmp_path: Path) -> None:
    def as_jpeg(message: BagMessage) -> list[BagMessage]:
        if message.topic != "/rgb":
            return [message]
        image = message.decode()
        file = image_file(image.data.reshape(image.height, image.width, 3), "jpeg")
        image.header = TYPES.header(stamp_ns(image.header.stamp), image.header.frame_id)
        data = TYPES.serialize(COMPRESSED, compressed(file, "jpeg", image))
        new = {"topic": "/rgb/compressed", "type_name": COMPRESSED, "typestore": TYPES.typestore}
        return [replace(message, data=data, **new)]

    bag = rewritten(demo, tmp_path / "bag", as_jpeg)
    assert run_bag(bag, tmp_path / "out", *QUICK, "--set", "rgb_transport=compressed") == 0
    overlay = contents(tmp_path / "out")["/iscene/overlay"][0].message
    assert np.std(overlay.data) > 20  # the colour image, not grey for want of colour


def test_types_come_from_the_definitions_in_the_bag(demo: Path, tmp_path: Path) -> None:
    """A detector of another version of vision_msgs, whose detections have one field more."""
    from rosbags.interfaces import Nodetype
    from rosbags.typesys import Stores, get_typestore

    name = "vision_msgs/msg/Detection2D"
    ours = TYPES.typestore
    fields = dict(ours.fielddefs)
    constants, members = fields[name]
    fields[name] = constants, [("more", (Nodetype.BASE, ("string", 0))), *members]
    other = get_typestore(Stores.EMPTY)
    other.register(fields)

    def converted(message: BagMessage) -> list[BagMessage]:
        if message.topic != "/detections":
            return [message]
        array = message.decode()
        for number, detection in enumerate(array.detections):
            values = vars(detection) | {"more": "new"}
            array.detections[number] = other.types[name](**values)
        data = bytes(other.serialize_cdr(array, message.type_name))
        return [replace(message, data=data, typestore=other)]

    bag = rewritten(demo, tmp_path / "bag", converted)
    assert run_bag(bag, tmp_path / "out", *DETECTED) == 0
    assert labels(tmp_path / "out") == set(demo_frame().observation.labels)


def test_bags_of_ros_1_are_read(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_typestore

    # The definitions of ROS 1, which call K what ROS 2 calls k; rosbags has none of tf2_msgs.
    ros1 = get_typestore(Stores.ROS1_NOETIC)
    tf2 = TYPES.typestore
    with Writer(tmp_path / "old.bag") as writer:
        connections = {}
        for topic, messages in contents(demo).items():
            for m in messages:
                if topic not in connections:
                    store = ros1 if m.type_name in ros1.fielddefs else tf2
                    connections[topic] = writer.add_connection(topic, m.type_name, typestore=store)
                data = tf2.cdr_to_ros1(m.data, m.type_name)
                writer.write(connections[topic], m.log_ns, data)
    assert run_bag(tmp_path / "old.bag", tmp_path / "out", *QUICK, "--keep-inputs") == 0
    done, before = contents(tmp_path / "out"), contents(demo)
    assert len(done["/iscene/objects"]) == 2
    assert [r.data for r in done["/depth"]] == [r.data for r in before["/depth"]]
    capsys.readouterr()
    assert run_bag(tmp_path / "old.bag", tmp_path / "out2", *DETECTED) == 2
    printed = capsys.readouterr().err
    assert "/detections holds vision_msgs/msg/Detection2DArray of ROS 1" in printed


def test_a_damaged_message_is_counted_and_the_next_frame_completes(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    first = contents(demo)["/depth"][0].log_ns

    def damaged(message: BagMessage) -> list[BagMessage]:
        broken = message.topic == "/depth" and message.log_ns == first
        return [replace(message, data=message.data[:1000]) if broken else message]

    bag = rewritten(demo, tmp_path / "bag", damaged)
    assert run_bag(bag, tmp_path / "out", *QUICK) == 0
    assert len(contents(tmp_path / "out")["/iscene/objects"]) == 1
    assert "rejected: malformed" in capsys.readouterr().out


def test_a_fault_of_the_decoder_is_counted_and_the_next_frame_completes(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, failed = MessageDecoder.decode, []

    def fails_once(self: MessageDecoder, key: str, message: object) -> tuple:
        if key == "depth" and not failed:
            failed.append(key)
            raise RecursionError("too deep")
        return decode(self, key, message)

    monkeypatch.setattr(MessageDecoder, "decode", fails_once)
    assert run_bag(demo, tmp_path / "out", *QUICK) == 0
    assert failed and len(contents(tmp_path / "out")["/iscene/objects"]) == 1
    assert "rejected: malformed" in capsys.readouterr().out


def test_a_damaged_end_keeps_the_frames_before(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bag = make_demo(tmp_path / "demo.mcap", frames=6)
    data = bytearray(bag.read_bytes())
    chunk = data.index(b"\x28\xb5\x2f\xfd", len(data) * 2 // 3)  # how a chunk of zstd begins
    data[chunk : chunk + 4] = bytes(4)
    bag.write_bytes(data)
    assert run_bag(bag, tmp_path / "out", *QUICK) == 2
    printed = capsys.readouterr()
    assert "damaged: the new bag holds what was completed until then" in printed.out
    assert "demo.mcap: not a readable bag" in printed.err.splitlines()[-1]
    assert 2 <= len(contents(tmp_path / "out")["/iscene/objects"]) <= 4


def _without(*topics: str) -> Callable[[Path, Path], Path]:
    def make(demo: Path, path: Path) -> Path:
        return rewritten(demo, path, lambda m: [] if m.topic in topics else [m])

    return make


def _renamed(before: str, after: str) -> Callable[[Path, Path], Path]:
    def make(demo: Path, path: Path) -> Path:
        swap = {before: after, after: "/unused"}
        return rewritten(demo, path, lambda m: [replace(m, topic=swap.get(m.topic, m.topic))])

    return make


def _cut(demo: Path, path: Path) -> Path:
    whole = next(demo.glob("*.mcap")).read_bytes()
    path.with_suffix(".mcap").write_bytes(whole[: len(whole) // 2])
    return path.with_suffix(".mcap")


def _text(demo: Path, path: Path) -> Path:
    path.with_suffix(".db3").write_text("this is no data base " * 100)
    return path.with_suffix(".db3")


def _folder(demo: Path, path: Path) -> Path:
    path.mkdir()
    return path


def _empty(demo: Path, path: Path) -> Path:
    with new_bag(path, "mcap"):
        pass
    return path


BAD_BAGS = {
    "no such bag": lambda demo, path: path,
    "no metadata.yaml": _folder,
    "not a bag": lambda demo, path: Path(__file__),
    "cut off": _cut,
    "not a readable bag": _text,
    "The bag has: no topic": _empty,
    "no topic /depth for depth; set topics.depth, e.g. --set topics.depth=/instances": (
        _without("/depth")
    ),
    "use_rgb=false": _without("/rgb"),
    "it is compressed: --set rgb_transport=compressed": _renamed("/rgb", "/rgb/compressed"),
    "/instances holds vision_msgs/msg/Detection2DArray, expected sensor_msgs/msg/Image": (
        _renamed("/detections", "/instances")
    ),
}


@pytest.mark.parametrize("expected", BAD_BAGS)
def test_bad_bags_are_one_line_and_leave_nothing(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture, expected: str
) -> None:
    def no_completer(*_: str) -> FakeCompleter:
        raise AssertionError("bad input must be found before a model is loaded")

    bag = BAD_BAGS[expected](demo, tmp_path / "bag")
    before = sorted(tmp_path.rglob("*"))
    assert run_bag(bag, tmp_path / "new/out", load=no_completer) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("iscene: error: ") and expected in printed.err
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_completed_is_an_error(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bag = _without("/tf", "/tf_static")(demo, tmp_path / "bag")
    assert run_bag(bag, tmp_path / "out") == 2
    assert not (tmp_path / "out").exists()
    last = capsys.readouterr().err.splitlines()[-1]
    assert "not one frame was completed" in last and "known are: none" in last


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("taken", [], "exists"),
        ("file/out", [], "cannot be written"),
        ("out.db3", ["--storage", "mcap"], "ends in .db3"),
    ],
)
def test_bad_outputs_are_refused(
    demo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    name: str,
    options: list[str],
    expected: str,
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    assert run_bag(demo, tmp_path / name, *options) == 2
    assert expected in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
