"""An output that fails or takes long holds nothing else up, on a real ROS."""

import threading
import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

from robot import PATIENCE, nanoseconds_of, robot, wait_until

from iscene_ros.ros.encoder import Encoder
from iscene_ros.ros.node import LATE_SUBSCRIBER_PERIOD
from iscene_ros.ros.topics import DIAGNOSTICS, OUTPUTS

ENCODED = [topic.name for topic in OUTPUTS if topic.name != DIAGNOSTICS]


@pytest.mark.parametrize("broken", ["~/objects", "~/pddl", "~/planning_scene"])
def test_the_other_outputs_stay_up_to_date(broken: str, monkeypatch) -> None:
    encode = Encoder.encode

    def fail(encoder, topic, update, *rest):
        if topic == broken:
            raise KeyError("box-1")
        return encode(encoder, topic, update, *rest)

    monkeypatch.setattr(Encoder, "encode", fail)
    with robot(collision_shape="hull") as r:
        r.listen()
        others = [name for name in ENCODED if name != broken]

        def came_twice() -> bool:
            r.publish_frame()
            time.sleep(0.2)
            return all(len(r.received[name]) >= 2 for name in others)

        def is_reported() -> bool:
            r.publish_frame()
            time.sleep(0.2)
            values = r.diagnostics()
            is_newest = f"{broken}: KeyError" in values.get("newest rejection", "")
            return is_newest and int(values["rejected: output"]) >= 2

        wait_until(came_twice)
        wait_until(is_reported)
        assert not r.received[broken]


def test_an_output_that_takes_long_does_not_hold_up_the_node(monkeypatch) -> None:
    encode, ends = Encoder.encode, threading.Event()

    def wait(encoder, topic, update, *rest):
        if topic == "~/overlay":
            ends.wait(PATIENCE)
        return encode(encoder, topic, update, *rest)

    monkeypatch.setattr(Encoder, "encode", wait)
    with robot(collision_shape="hull") as r:
        r.listen("~/objects", "~/overlay")
        r.until("~/objects")
        count = len(r.received["~/objects"])
        for _ in range(4):
            newest = r.publish_frame()
            time.sleep(LATE_SUBSCRIBER_PERIOD)
        assert r.state() == "active"
        ends.set()
        wait_until(lambda: len(r.received["~/objects"]) > count)
        assert nanoseconds_of(r.received["~/objects"][count].header.stamp) == newest
