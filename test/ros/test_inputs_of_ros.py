"""Inputs that only a live ROS has: latched ones, wrong types, no clock, parameters without type."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

import rclpy
from lifecycle_msgs.msg import Transition
from rclpy.node import Node
from rclpy.parameter import Parameter
from robot import robot, wait_until

from iscene_ros.ros import diagnostics
from iscene_ros.ros.publishers import reliable_qos


@contextmanager
def other_participant() -> Iterator[Node]:
    """A node of another participant: one alone has one type a topic."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("other", context=context)
    try:
        yield node
    finally:
        node.destroy_node()
        context.try_shutdown()


@pytest.mark.parametrize("reliability", ["best_effort", "reliable"])
def test_a_calibration_that_was_published_once_before_is_received(reliability: str) -> None:
    with robot(activate=False, reliability=reliability) as r:
        kind = r.types.message_class("sensor_msgs/msg/CameraInfo")
        publisher = r.probe.create_publisher(kind, "/camera_info", reliable_qos(latched=True))

        def once(topic, message):
            if topic != "camera_info":
                return message
            if not sent:
                sent.append(message)
                publisher.publish(message)
            return None

        sent = []
        r.publish_frame(once)
        time.sleep(0.5)
        assert r.change_state(Transition.TRANSITION_CONFIGURE)
        assert r.change_state(Transition.TRANSITION_ACTIVATE)
        r.listen("~/objects")
        assert r.until("~/objects", change=once) and len(sent) == 1


def test_a_topic_of_another_type_is_named_with_the_type_that_it_has() -> None:
    with robot() as r, other_participant() as other:
        r.listen("/diagnostics", "~/objects")
        kind = r.types.message_class("sensor_msgs/msg/CompressedImage")
        wrong = other.create_publisher(kind, "/depth", 1)

        def without_depth(topic, message):
            return None if topic == "depth" else message

        def said() -> bool:
            r.publish_frame(without_depth)
            wrong.publish(kind())
            return bool(r.received["/diagnostics"]) and "CompressedImage" in str(r.diagnostics())

        wait_until(said)
        summary = r.diagnostics()["summary"]
        assert summary.startswith("depth: /depth is sensor_msgs/msg/CompressedImage, expected ")
        assert "sensor_msgs/msg/Image" in summary
        # A publisher of the right type beside it will do.
        r.until("~/objects")
        wait_until(lambda: "CompressedImage" not in str(r.diagnostics()["summary"]))


def test_simulated_time_that_has_not_begun_is_reported_by_wall_time() -> None:
    with robot(use_sim_time=True) as r:
        r.listen("/diagnostics")
        wait_until(lambda: r.received["/diagnostics"])
        assert "/clock" in r.diagnostics()["summary"] and r.diagnostics()["level"] == b"\x01"
        stamp = r.received["/diagnostics"][-1].header.stamp
        assert abs(stamp.sec - time.time()) < 5


def test_an_empty_list_of_a_parameter_file_is_an_empty_list(tmp_path) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text("/**: {ros__parameters: {fallback_frames: [], class_names: []}}", "utf-8")
    with robot(activate=False, params_file=file) as r:
        settings = r.scene._scene_parameters.settings
        assert settings.fallback_frames == () and settings.class_names == ()
        changed = r.scene.set_parameters([Parameter("fallback_frames", value=["odom"])])
        assert changed[0].successful


@pytest.mark.parametrize("profile", ["", "/config/fastdds.xml"])
def test_late_transforms_are_said_with_the_profile_as_a_hint(profile: str, monkeypatch) -> None:
    monkeypatch.setattr(diagnostics, "PROFILES", ("NO_SUCH_VARIABLE",))
    monkeypatch.setenv("NO_SUCH_VARIABLE", profile)
    with robot() as r:
        r.listen("/diagnostics", "~/objects")

        def late(topic, message):
            if topic == "/tf":
                message.transforms[0].header.stamp.sec -= 1
            return message

        def said() -> bool:
            r.publish_frame(late)
            time.sleep(0.1)
            newest = r.diagnostics()["summary"] if r.received["/diagnostics"] else ""
            return newest.startswith("late transform: ") and bool(r.received["~/objects"])

        wait_until(said)
        status = r.diagnostics()
        assert status["level"] == b"\x01" and "frames refused" in status["summary"]
        is_fast_dds = "fastrtps" in rclpy.get_rmw_implementation_identifier()
        assert ("fastdds.xml" in status["summary"]) == (is_fast_dds and not profile)
