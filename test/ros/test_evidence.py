"""Views from several sides through a live node with the shipped model, beside the truth."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

from moving_table import Body, bracket, can, error_of, looking, seen, shown_at
from robot import Robot, nanoseconds_of, robot, wait_until
from std_msgs.msg import String

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.io.demo_frame import DemoFrame

BRACKET = Body(bracket(), 0.0, 0.0, label="bracket")
CAN = Body(can(), -0.15, 0.02, label="can")


def view(bodies: tuple[Body, ...], azimuth: float, seed: int) -> DemoFrame:
    """What the camera sees from a side [degrees]."""
    pose = looking(azimuth)
    observation, _ = seen(bodies, pose, seed)
    observation = replace(observation, rgb=np.full((*observation.depth.shape, 3), 90, np.uint8))
    labels = np.zeros(observation.depth.shape, np.uint8)
    for number, mask in enumerate(observation.masks, 1):
        labels[mask] = number
    return DemoFrame(observation, labels, pose)


def completed(r: Robot, frame: DemoFrame):
    """Publish a frame until the node has completed one of its copies; return the update."""
    first = r.publish_frame(frame=frame)

    def newer():
        update = r.scene.session.update
        if update is not None and update.stamp_ns >= first:
            return update
        time.sleep(0.3)
        r.publish_frame(frame=frame)
        return None

    return wait_until(newer, 60)


def test_views_from_several_sides_make_the_mesh_better_and_forget_starts_anew() -> None:
    bodies = (BRACKET, CAN)
    with robot(SceneCompleter.from_config, max_age=30.0) as r:
        r.listen("~/objects", "~/meshes", "/diagnostics")
        updates = [completed(r, view(bodies, a, n)) for n, a in enumerate((-90, -20, 60, 140))]
        first, last = (shown_at(update, BRACKET) for update in (updates[0], updates[-1]))
        assert first.name == last.name and len(last.keyframes) == 4
        assert error_of(last, BRACKET) < 0.7 * error_of(first, BRACKET)
        assert last.item.observed_fraction > first.item.observed_fraction + 0.15
        markers = wait_until(
            lambda: [
                m
                for m in r.received["~/meshes"][-1].markers
                if m.ns == last.name and nanoseconds_of(m.header.stamp) >= updates[-1].stamp_ns
            ]
        )
        assert len(markers[0].points) == 3 * len(last.item.mesh.faces)
        wait_until(lambda: r.diagnostics().get("evidence", "").startswith("8 views"))

        publisher = r.probe.create_publisher(String, r.name("~/forget"), 1)
        wait_until(lambda: publisher.get_subscription_count())
        publisher.publish(String(data=last.name))
        wait_until(lambda: len(r.received["~/objects"][-1].detections) == 1)
        again = shown_at(completed(r, view(bodies, 140, 9)), BRACKET)
        assert again.id > 2 and len(again.keyframes) == 1
        publisher.publish(String(data="no_such_thing"))
        wait_until(lambda: "rejected: unknown object" in r.diagnostics())
