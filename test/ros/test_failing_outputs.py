"""An output that fails takes no other one along, on a real ROS."""

import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

from robot import robot, wait_until

from iscene_ros.ros.encoder import Encoder
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
