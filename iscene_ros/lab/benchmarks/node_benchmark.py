"""The node under a fast camera and a slow model: age of what it publishes, and its memory.

A second process publishes the demo frame at the rate of a camera and listens to ~/objects.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from tqdm import tqdm

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene
from iscene_ros.lab.benchmarks.layer_benchmark import KnownScene
from iscene_ros.ros.demo_messages import demo_messages
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.node import SceneNode
from iscene_ros.ros.publishers import reliable_qos
from iscene_ros.ros.subscriptions import IMAGE_DEPTH
from iscene_ros.ros.topics import OBJECTS, output_topic
from iscene_ros.session.status import resident_megabytes


@dataclass(frozen=True)
class NodeTimes:
    """What was seen of a node.

    Attributes:
        rate: of the input [1/s]; frames: how many were published.
        model_seconds: (C,) of each completion [s].
        ages: (P,) from the stamp of a frame to the arrival of its objects [s].
        dropped: ready frames that a newer one replaced.
        rejected: inputs.
        megabytes: resident memory of the node's process, evenly over the run [1e6 bytes].
    """

    rate: float
    frames: int
    model_seconds: np.ndarray
    ages: np.ndarray
    dropped: int
    rejected: int
    megabytes: np.ndarray


@dataclass
class _SlowModel:
    """Knows the answer, and takes its time all the same."""

    pause: float
    known: KnownScene = field(default_factory=lambda: KnownScene(5000))
    seconds: list[float] = field(default_factory=list)

    def complete(self, observation: Observation, steps: int | None, seed: int, faces: int) -> Scene:
        """See `SceneCompleter.complete`."""
        started = time.monotonic()
        time.sleep(self.pause)
        scene = self.known.complete(observation, steps, seed, faces)
        self.seconds.append(time.monotonic() - started)
        return scene


def measure_node(frames: int = 2000, rate: float = 30.0, model_seconds: float = 1.0) -> NodeTimes:
    """Run the node on frames of 640 x 480 with the eight objects of the demo, 5000 faces each."""
    model = _SlowModel(model_seconds)
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    with _running_node(model) as node:
        camera = context.Process(target=_camera, args=(theirs, frames, rate), daemon=True)
        camera.start()
        megabytes = []
        with tqdm(total=frames, unit="frame", desc="node") as bar:
            while not mine.poll(0):
                time.sleep(0.5)
                megabytes.append(resident_megabytes())
                bar.update(min(frames - bar.n, round(0.5 * rate)))
        ages = np.array(mine.recv())
        camera.join()
        session = node.session
        return NodeTimes(
            rate,
            frames,
            np.array(model.seconds),
            ages,
            session.dropped,
            session.rejections.total,
            np.array(megabytes),
        )


@contextmanager
def _running_node(model: _SlowModel) -> Iterator[SceneNode]:
    rclpy.init()
    parameters = {"detections": "vision_msgs", "reliability": "reliable", "model": "known"}
    parameters |= {"relations": False, "moveit": False}
    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    node = SceneNode(lambda name, device: model, parameter_overrides=overrides)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    node.trigger_configure()
    node.trigger_activate()
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    try:
        yield node
    finally:
        executor.shutdown()
        spinning.join()
        node.on_shutdown(None)
        node.destroy_node()
        rclpy.try_shutdown()


def _camera(result: Connection, frames: int, rate: float) -> None:
    """Publish frames; send the ages of the objects that came back."""
    rclpy.init()
    node, types, ages = rclpy.create_node("camera"), RclpyTypes(), []

    def arrived(message: object) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        ages.append((node.get_clock().now().nanoseconds - stamp) / 1e9)

    topic = output_topic(OBJECTS)
    kind = types.message_class(topic.type_name)
    node.create_subscription(kind, "/iscene/objects", arrived, reliable_qos(topic.latched))
    first = demo_messages(types, 1)
    publishers = {
        m.topic: node.create_publisher(
            types.message_class(m.type_name), m.topic, reliable_qos(m.latched, IMAGE_DEPTH)
        )
        for m in first
    }
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    time.sleep(2.0)  # until both sides know each other
    start = time.monotonic()
    for number in range(frames):
        stamp = types.stamp(node.get_clock().now().nanoseconds)
        for m in first:
            for header in _headers(m.message):
                header.stamp = stamp
            publishers[m.topic].publish(m.message)
        time.sleep(max(0.0, start + (number + 1) / rate - time.monotonic()))
    time.sleep(3.0)
    result.send(ages)
    executor.shutdown()
    spinning.join()
    rclpy.try_shutdown()


def _headers(message: object) -> list:
    if hasattr(message, "transforms"):
        return [transform.header for transform in message.transforms]
    return [message.header]


def node_table(measured: Sequence[NodeTimes]) -> list[list[str]]:
    """Headings and one row a run."""
    rows = [
        [
            *("input [1/s]", "frames", "published", "model p50 [s]", "age p50 [s]", "age p95 [s]"),
            *("dropped", "rejected", "memory after 10 % [MB]", "at the end [MB]"),
        ]
    ]
    for m in measured:
        early = m.megabytes[len(m.megabytes) // 10]
        rows.append(
            [
                *(f"{m.rate:.0f}", str(m.frames), str(len(m.ages))),
                f"{np.median(m.model_seconds):.3f}",
                *(f"{np.percentile(m.ages, percent):.3f}" for percent in (50, 95)),
                *(str(m.dropped), str(m.rejected), f"{early:.0f}", f"{m.megabytes[-1]:.0f}"),
            ]
        )
    return rows
