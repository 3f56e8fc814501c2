"""The live node on a real robot frame: node and replay as processes, and what arrives from them.

python live_demo.py [-p NAME:=VALUE]    parameters of the node

It prints a table, and fails where an output is missing or an end is not clean.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.srv import GetState
from rclpy.node import Node

from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.publishers import TF_DEPTH, reliable_qos
from iscene_ros.ros.topics import OUTPUTS, OutputTopic

ROOT = Path(__file__).parents[1]
NODE = "/iscene"
FRAMES_A_SECOND = 2.0
# For starting, and until every output came so many times [s].
START_LIMIT, LIMIT = 60.0, 90.0
UPDATES = 3
END_LIMIT = 2.0


@dataclass
class Received:
    """What arrived on one topic: times of arrival [s], ages [s], and the newest message."""

    times: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    newest: Any = None


class Listener(Node):
    """Subscribes to every output of the scene node."""

    def __init__(self) -> None:
        super().__init__("listener")
        self._types = RclpyTypes()
        self.received = {topic: Received() for topic in OUTPUTS}
        for topic in OUTPUTS:
            self.create_subscription(
                self._types.message_class(topic.type_name),
                topic.name.replace("~", NODE),
                lambda message, topic=topic: self._add(topic, message),
                reliable_qos(topic.latched, TF_DEPTH),
            )
        self._state = self.create_client(GetState, f"{NODE}/get_state")

    def has_all(self, count: int) -> bool:
        """Return whether every output came so many times."""
        return all(len(r.times) >= count for r in self.received.values())

    def node_state(self) -> str:
        """Return the lifecycle state of the scene node; "" where it does not answer."""
        if not self._state.wait_for_service(0.5):
            return ""
        future = self._state.call_async(GetState.Request())
        rclpy.spin_until_future_complete(self, future, timeout_sec=5.0)
        return future.result().current_state.label if future.done() else ""

    def _add(self, topic: OutputTopic, message: Any) -> None:
        if topic.name == "/tf" and message.transforms[0].child_frame_id == "camera_link":
            return  # of the replay
        received, now = self.received[topic], self.get_clock().now().nanoseconds / 1e9
        received.newest = message
        received.times.append(now)
        if (stamp := _stamp(message)) is not None:
            received.ages.append(now - stamp)


def _stamp(message: Any) -> float | None:
    """Return the stamp of a message [s]; None where it has none."""
    parts = [message, *getattr(message, "markers", ())[-1:], *getattr(message, "transforms", ())]
    stamps = [part.header.stamp for part in parts if hasattr(part, "header")]
    return stamps[0].sec + stamps[0].nanosec / 1e9 if stamps else None


def content(topic: OutputTopic, message: Any) -> str:
    """Return what a message holds, in a few words."""
    if hasattr(message, "status"):
        return message.status[0].message
    if hasattr(message, "world"):
        return f"{len(message.world.collision_objects)} collision objects"
    for name in ("detections", "markers", "transforms", "predicates", "poses"):
        if hasattr(message, name):
            return f"{len(getattr(message, name))} {name}"
    if hasattr(message, "data") and isinstance(message.data, str):
        return f"{len(message.data)} characters"
    if hasattr(message, "width"):
        return f"{message.width} x {message.height}"
    return type(message).__name__  # of an output that came after this table


def table(received: dict[OutputTopic, Received]) -> str:
    """Return a row of every output."""
    rows = [("topic", "type", "messages", "age [s]", "newest")]
    for topic, r in received.items():
        age = f"{sorted(r.ages)[len(r.ages) // 2]:.2f}" if r.ages else ""
        newest = content(topic, r.newest) if r.times else "nothing came"
        kind = topic.type_name.replace("/msg/", "/")
        rows.append((topic.name, kind, str(len(r.times)), age, newest))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


@contextmanager
def process(executable: str, *arguments: str) -> Iterator[subprocess.Popen]:
    """Run an executable of the package; kill it where the block fails."""
    code = f"import sys; from iscene_ros.ros.entry import {executable}; sys.exit({executable}())"
    started = subprocess.Popen([sys.executable, "-c", code, "--ros-args", *arguments])
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def spin(node: Node, seconds: float, processes: Sequence[subprocess.Popen]) -> None:
    """Receive messages for so many seconds.

    Raises:
        SystemExit: a process ended.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
        if any(p.poll() is not None for p in processes):
            sys.exit("a node ended by itself; its log is above")


def end(name: str, ended: subprocess.Popen) -> bool:
    """Interrupt a process; return whether it ended cleanly and in time."""
    started = time.monotonic()
    ended.send_signal(signal.SIGINT)
    status = ended.wait(30)
    seconds = time.monotonic() - started
    print(f"{name} ended after {seconds:.1f} s with status {status}")
    return status in (0, 130) and seconds <= END_LIMIT


def main(*arguments: str) -> int:
    """Run the demo, the node with arguments of ROS; return 0 where everything came and ended."""
    parameters = ("--params-file", str(ROOT / "config/demo.yaml"), "-p", "autostart:=true")
    rclpy.init()
    listener = Listener()
    with (
        process("scene_node", *parameters, *arguments) as scene,
        process("replay_node", "-p", f"rate:={FRAMES_A_SECOND}") as replay,
    ):
        running, deadline = (scene, replay), time.monotonic() + START_LIMIT
        while listener.node_state() != "active":
            spin(listener, 0.2, running)
            if time.monotonic() > deadline:
                sys.exit(f"{NODE} is not active after {START_LIMIT:.0f} s; its log is above")
        started = time.monotonic()
        while not listener.has_all(UPDATES) and time.monotonic() < started + LIMIT:
            spin(listener, 0.2, running)
        seconds = time.monotonic() - started
        print(f"\n{NODE} is {listener.node_state()}; in {seconds:.0f} s arrived:\n")
        print(table(listener.received), end="\n\n")
        clean = [end("scene_node", scene), end("replay_node", replay)]
    complete = listener.has_all(UPDATES)
    listener.destroy_node()
    rclpy.try_shutdown()
    return 0 if complete and all(clean) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
