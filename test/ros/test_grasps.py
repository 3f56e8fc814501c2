"""Grasps of the node on a real ROS."""

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

from rclpy.parameter import Parameter
from robot import robot, wait_until


def test_grasps_begin_when_they_are_asked_for() -> None:
    with robot() as r:
        r.listen("~/grasps", "~/grasp_markers", "~/objects", "~/pddl")
        assert r.until("~/grasps", 1)[-1].poses == []
        assert r.scene.set_parameters([Parameter("grasps", value="all")])[0].successful
        change = r.scene.set_parameters([Parameter("gripper", value="claw")])[0]
        assert not change.successful and "franka_hand" in change.reason

        def found() -> bool:
            r.until("~/grasps", len(r.received["~/grasps"]) + 1)
            return bool(r.received["~/grasps"][-1].poses)

        wait_until(found)
        assert r.received["~/grasps"][-1].header.frame_id == "map"

        def drawn() -> set[str]:
            return {m.ns for m in r.received["~/grasp_markers"][-1].markers if m.action == m.ADD}

        held = wait_until(drawn)
        names = {d.id for d in r.received["~/objects"][-1].detections}
        assert held <= names
        target = Parameter("grasp_target", value=sorted(held)[-1])
        assert r.scene.set_parameters([target])[0].successful
        wait_until(found)
        wait_until(lambda: all(f"(graspable {n})" in r.received["~/pddl"][-1].data for n in held))
