"""Collision bodies that take long hold up neither frames nor the end, on a real ROS."""

import threading
import time
from importlib import import_module

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")
pytest.importorskip("moveit_msgs.srv", reason="needs moveit_msgs")

from lifecycle_msgs.msg import Transition
from move_group import move_group
from robot import PATIENCE, nanoseconds_of, robot, wait_until
from std_msgs.msg import String

from iscene_ros.planning import collision_objects
from iscene_ros.ros.encode_planning_scene import ADD, REMOVE

FRAMES = 10
BODY_TIME = 1.0
# Half the time of the eight bodies; test_termination.py has the time in which a process ends.
LIMIT = 4.0
HULLS = {"collision_shape": "hull"}
OBJECTS, PLANNING_SCENE = "~/objects", "~/planning_scene"


class SlowBodies:
    """Collision bodies of which each waits for an event, for at most some time [s]."""

    def __init__(self, monkeypatch, seconds: float) -> None:
        self.begun, self.free, self.seconds = threading.Event(), threading.Event(), seconds
        self._make = collision_objects.collision_body
        monkeypatch.setattr(collision_objects, "collision_body", self._make_slowly)

    def _make_slowly(self, *args):
        self.begun.set()
        self.free.wait(self.seconds)
        return self._make(*args)

    def begin(self, r) -> set[str]:
        """Publish a frame; return the names of its objects, whose bodies are being made."""
        r.listen(OBJECTS, PLANNING_SCENE)
        wait_until(lambda: r.scene.count_subscribers(r.name(PLANNING_SCENE)))
        names = {d.id for d in r.until(OBJECTS)[-1].detections}
        assert len(names) == 8
        wait_until(self.begun.is_set)
        return names


def changed(messages, operation: int) -> list[set[str]]:
    """The objects of which each message tells an operation, without the surroundings."""
    return [
        {c.id for c in m.world.collision_objects if ord(c.operation) == operation}
        - {"support", "environment"}
        for m in messages
    ]


def test_frames_are_completed_meanwhile_and_the_newest_scene_follows(monkeypatch) -> None:
    bodies = SlowBodies(monkeypatch, PATIENCE)
    with robot(**HULLS) as r, move_group() as moveit_:
        names = bodies.begin(r)
        publisher = r.probe.create_publisher(String, r.name("~/forget"), 10)
        wait_until(publisher.get_subscription_count)

        def newest():
            return r.received[OBJECTS][-1]

        for _ in range(FRAMES):
            stamp = r.publish_frame()
            wait_until(lambda stamp=stamp: nanoseconds_of(newest().header.stamp) == stamp)
        r.pause(True)
        gone = min(names)
        publisher.publish(String(data=gone))
        wait_until(lambda: len(newest().detections) == 7)
        assert not r.received[PLANNING_SCENE] and not moveit_.calls
        bodies.free.set()
        wait_until(lambda: len(r.received[PLANNING_SCENE]) == 2)
        wait_until(lambda: moveit_.names == names - {gone})
        time.sleep(0.5)
        # The first scene and the newest, and none of those in between.
        messages = r.received[PLANNING_SCENE]
        assert changed(messages, ADD) == [names, set()]
        assert changed(messages, REMOVE) == [set(), {gone}]


@pytest.mark.parametrize("end", ["DEACTIVATE", "ACTIVE_SHUTDOWN"])
def test_the_end_is_prompt_and_nothing_is_sent_after_it(end: str, monkeypatch) -> None:
    bodies = SlowBodies(monkeypatch, BODY_TIME)
    with robot(**HULLS) as r, move_group() as moveit_:
        names = bodies.begin(r)
        for _ in range(3):
            r.publish_frame()
        import_module("torch")  # which the end imports, too
        started = time.monotonic()
        assert r.change_state(getattr(Transition, f"TRANSITION_{end}"))
        assert time.monotonic() - started < LIMIT
        time.sleep(2 * BODY_TIME)
        assert not r.received[PLANNING_SCENE] and not moveit_.calls
        if end == "DEACTIVATE":
            bodies.free.set()
            assert r.change_state(Transition.TRANSITION_ACTIVATE)
            r.publish_frame()
            wait_until(lambda: r.received[PLANNING_SCENE])
            assert changed(r.received[PLANNING_SCENE], ADD)[0] == names
            wait_until(lambda: moveit_.names == names)
