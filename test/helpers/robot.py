"""A scene node in this process, with a node that publishes its inputs and keeps its outputs."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rclpy
from fake_completer import FakeCompleter
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from iscene_ros.io.demo_frame import DemoFrame, demo_frame
from iscene_ros.models.model_config import ModelConfig
from iscene_ros.ros.demo_messages import frame_messages
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.node import SceneNode
from iscene_ros.ros.publishers import reliable_qos
from iscene_ros.ros.topics import OUTPUTS

PATIENCE = 40.0
DEMO = {"detections": "vision_msgs", "max_age": 5.0}


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true value of a condition; fails after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError("timed out")


def nanoseconds_of(stamp: Any) -> int:
    """Return the nanoseconds of a builtin_interfaces/Time."""
    return stamp.sec * 10**9 + stamp.nanosec


class Robot:
    """Publishes the demo frame and keeps every output that it receives, by topic name."""

    def __init__(self, scene: SceneNode, probe: Node, namespace: str) -> None:
        self.scene, self.probe, self.namespace = scene, probe, namespace
        self.types = RclpyTypes()
        self.received: dict[str, list[Any]] = defaultdict(list)
        self._publishers: dict[str, Any] = {}

    def name(self, topic: str) -> str:
        """The full name of an output."""
        return topic.replace("~", f"{self.namespace}/iscene")

    def listen(self, *topics: str) -> None:
        """Subscribe to outputs; to all where none is named."""
        for topic in OUTPUTS:
            if topics and topic.name not in topics:
                continue
            self.probe.create_subscription(
                self.types.message_class(topic.type_name),
                self.name(topic.name),
                self.received[topic.name].append,
                reliable_qos(topic.latched, depth=20),
            )

    def publish_frame(
        self,
        change: Callable[[str, Any], Any] = lambda topic, message: message,
        stamp_ns: int | None = None,
        frame: DemoFrame | None = None,
    ) -> int:
        """Publish a frame, by default the demo's; `change` may replace a message, None drops it."""
        stamp = stamp_ns or self.probe.get_clock().now().nanoseconds
        for topic, type_name, message, latched in frame_messages(
            self.types, frame or demo_frame(), stamp
        ):
            message = change(topic, message)
            if message is not None:
                self._publisher(topic, type_name, latched).publish(message)
        return stamp

    def until(self, topic: str, count: int = 1, **publishing: Any) -> list[Any]:
        """Publish frames until so many messages of an output have come; they are returned."""

        def enough() -> bool:
            if len(self.received[topic]) < count:
                self.publish_frame(**publishing)
                time.sleep(0.15)
            return len(self.received[topic]) >= count

        wait_until(enough)
        return self.received[topic]

    def call(self, service: str, kind: type = Trigger, **request: Any) -> Any:
        """The answer of a service of the node."""
        client = self.probe.create_client(kind, self.name(service))
        assert client.wait_for_service(PATIENCE), service
        future = client.call_async(kind.Request(**request))
        wait_until(future.done)
        self.probe.destroy_client(client)
        return future.result()

    def pause(self, paused: bool) -> Any:
        """Call ~/set_paused."""
        return self.call("~/set_paused", SetBool, data=paused)

    def state(self) -> str:
        """The lifecycle state."""
        return self.call("~/get_state", GetState).current_state.label

    def change_state(self, transition_id: int) -> bool:
        """Call ~/change_state."""
        request = Transition(id=transition_id)
        return self.call("~/change_state", ChangeState, transition=request).success

    def diagnostics(self) -> dict[str, str]:
        """Level, summary and values of the newest status."""
        newest = wait_until(lambda: self.received["/diagnostics"])[-1].status[0]
        values = {v.key: v.value for v in newest.values}
        return {"level": newest.level, "summary": newest.message, **values}

    def _publisher(self, topic: str, type_name: str, latched: bool) -> Any:
        if topic not in self._publishers:
            name = topic if topic.startswith("/") else f"{self.namespace}/{topic}"
            kind, qos = self.types.message_class(type_name), reliable_qos(latched, depth=5)
            self._publishers[topic] = self.probe.create_publisher(kind, name, qos)
        return self._publishers[topic]


@contextmanager
def robot(
    load: Callable[[ModelConfig], Any] = lambda choice: FakeCompleter(),
    activate: bool = True,
    namespace: str = "",
    remappings: dict[str, str] | None = None,
    params_file: Path | None = None,
    **parameters: Any,
) -> Iterator[Robot]:
    """A running robot; its node is active unless said otherwise."""
    rclpy.init()
    arguments = ["--ros-args"]
    for source, target in (remappings or {}).items():
        arguments += ["-r", f"{source}:={target}"]
    if params_file is not None:
        arguments += ["--params-file", str(params_file)]
    overrides = [Parameter(name, value=value) for name, value in (DEMO | parameters).items()]
    scene = SceneNode(load, parameter_overrides=overrides, namespace=namespace, cli_args=arguments)
    probe = Node("probe")
    executors, threads = [], []
    for node in (scene, probe):
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executors.append(executor)
        threads.append(threading.Thread(target=executor.spin, daemon=True))
        threads[-1].start()
    made = Robot(scene, probe, namespace)
    try:
        if activate:
            assert made.change_state(Transition.TRANSITION_CONFIGURE)
            assert made.change_state(Transition.TRANSITION_ACTIVATE)
        yield made
    finally:
        for executor in executors:
            executor.shutdown(timeout_sec=5)
        for thread in threads:
            thread.join(timeout=5)
        for node in (scene, probe):
            node.destroy_node()
        rclpy.try_shutdown()
