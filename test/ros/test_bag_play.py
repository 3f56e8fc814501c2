"""Bags written without ROS are read and played by rosbag2."""

import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("rosbag2_py", reason="needs ROS 2 with rosbag2")
pytest.importorskip("rosbags", reason="needs rosbags, the bag extra")

import rclpy
from bag_files import DETECTED, contents, make_demo, run_bag
from rosbag2_py import ConverterOptions, SequentialReader, StorageOptions

from iscene_ros.bag.names import resolved
from iscene_ros.ros.demo_messages import demo_messages
from iscene_ros.ros.messages import RclpyTypes, RosbagsTypes
from iscene_ros.ros.publishers import reliable_qos
from iscene_ros.ros.topics import OUTPUTS


@pytest.fixture(scope="module", params=["out.mcap", "out.db3", "out"])
def bag(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bags")
    demo = make_demo(folder / "demo", frames=2)
    assert run_bag(demo, folder / request.param, *DETECTED, "--keep-inputs") == 0
    return folder / request.param


def test_rosbag2_reads_every_message(bag: Path) -> None:
    storage = "sqlite3" if bag.suffix == ".db3" else "mcap"
    reader = SequentialReader()
    reader.open(StorageOptions(str(bag), storage), ConverterOptions("cdr", "cdr"))
    types, kinds, count = RclpyTypes(), {}, Counter()
    for topic in reader.get_all_topics_and_types():
        kinds[topic.name] = topic.type
    while reader.has_next():
        name, data, _ = reader.read_next()
        message = types.deserialize(kinds[name], data)
        assert types.serialize(kinds[name], message) == data, name
        count[name] += 1
    assert count == {name: len(messages) for name, messages in contents(bag).items()}
    assert {resolved(topic.name) for topic in OUTPUTS} < set(count)


def test_bag_play_offers_the_recorded_qos(bag: Path) -> None:
    types = RclpyTypes()
    rclpy.init()
    node = rclpy.create_node("bag_listener")
    counts: Counter[str] = Counter()
    for topic in OUTPUTS:
        node.create_subscription(
            types.message_class(topic.type_name),
            resolved(topic.name),
            lambda _, name=topic.name: counts.update([name]),
            reliable_qos(topic.latched, depth=50),
        )
    command = ["ros2", "bag", "play", str(bag), "--delay", "2", "--disable-keyboard-controls"]
    playing = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end and (len(counts) < len(OUTPUTS) or min(counts.values()) < 2):
            rclpy.spin_once(node, timeout_sec=0.1)
        assert playing.wait(10) == 0
        assert {topic.name for topic in OUTPUTS} == set(counts) and min(counts.values()) >= 2
    finally:
        playing.kill()
        node.destroy_node()
        rclpy.shutdown()


def test_demo_messages_are_the_same_with_and_without_ros() -> None:
    ours, theirs = RosbagsTypes(), RclpyTypes()
    pairs = zip(demo_messages(ours, 10**18 + 5), demo_messages(theirs, 10**18 + 5), strict=True)
    for without, with_ros in pairs:
        data = theirs.serialize(with_ros.type_name, with_ros.message)
        assert ours.serialize(without.type_name, without.message) == data, without.topic
