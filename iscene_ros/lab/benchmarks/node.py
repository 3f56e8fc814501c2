"""The scene node behind a fast camera with a slow model: age of its output, and its memory.

A second process publishes the demo frame at the rate of a camera and subscribes to ~/objects.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from iscene_ros.lab.benchmarks.stub_completers import Ellipsoids
from iscene_ros.ros.demo_messages import demo_messages
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.topics import OBJECTS, output_topic
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.status import resident_megabytes

if TYPE_CHECKING:
    from iscene_ros.ros.node import SceneNode

# Of the camera [1/s]; time of a completion [s].
RATE, MODEL_SECONDS = 30.0, 1.0


@dataclass(frozen=True)
class NodeTimes:
    """Measurements of one run of the node.

    Attributes:
        frames: Number of published camera frames.
        model_seconds: (C,) time of each completion [s].
        ages: (P,) time from the stamp of a frame to the arrival of its objects [s].
        received: Number of frames of which all messages arrived.
        untransformed: Number of those refused for want of the camera's pose.
        rejected: Number of rejected inputs.
        summary: Of /diagnostics when the last frame was sent.
        megabytes: Resident memory of the node's process, sampled evenly over the run [1e6 bytes].
    """

    frames: int
    model_seconds: np.ndarray
    ages: np.ndarray
    received: int
    untransformed: int
    rejected: int
    summary: str
    megabytes: np.ndarray


def measure_node(frames: int) -> NodeTimes:
    """Run the node on frames of 640 x 480 with the eight objects of the demo, 5000 faces each."""
    model = Ellipsoids(pause=MODEL_SECONDS)
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe()
    with _running_node(model) as node:
        camera = context.Process(target=_camera, args=(sending, frames), daemon=True)
        camera.start()
        megabytes = []
        with tqdm(total=frames, unit="frame", desc="node") as bar:
            while not receiving.poll(0):
                time.sleep(0.5)
                megabytes.append(resident_megabytes())
                bar.update(min(frames - bar.n, round(0.5 * RATE)))
        session = node.session
        summary = session.status(node.get_clock().now().nanoseconds).summary
        ages = np.array(receiving.recv())
        camera.join()
        counts = session.rejections.counts
        untransformed = counts[RejectReason.NO_TRANSFORM] + counts[RejectReason.LATE_TRANSFORM]
        return NodeTimes(
            frames,
            np.array(model.seconds)[:, 0],
            ages,
            session.completed + session.dropped + untransformed,
            untransformed,
            session.rejections.total,
            summary,
            np.array(megabytes),
        )


@contextmanager
def _running_node(completer: Ellipsoids) -> Iterator[SceneNode]:
    """Yield an active node in its own thread, and shut it down afterwards."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import Parameter

    from iscene_ros.ros.node import SceneNode

    rclpy.init()
    parameters = {"detections": "vision_msgs", "reliability": "reliable", "model": "known"}
    # Every frame goes to the model: the frames are all the same, and would not with fusion.
    parameters |= {"relations": False, "moveit": False, "fusion": False}
    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    node = SceneNode(lambda config: completer, parameter_overrides=overrides)
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
        node.trigger_shutdown()
        node.destroy_node()
        rclpy.try_shutdown()


def _camera(result: Connection, frames: int) -> None:
    """Publish camera frames, then send the ages of the objects that arrived through `result`."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from iscene_ros.ros.publishers import reliable_qos
    from iscene_ros.ros.subscriptions import IMAGE_DEPTH

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
    time.sleep(2.0)  # until both sides have discovered each other
    start = time.monotonic()
    for number in range(frames):
        stamp = types.stamp(node.get_clock().now().nanoseconds)
        for m in first:
            for stamped in getattr(m.message, "transforms", [m.message]):
                stamped.header.stamp = stamp
            publishers[m.topic].publish(m.message)
        time.sleep(max(0.0, start + (number + 1) / RATE - time.monotonic()))
    time.sleep(3.0)
    result.send(ages)
    executor.shutdown()
    spinning.join()
    rclpy.try_shutdown()


def node_table(m: NodeTimes) -> list[list[str]]:
    """Return the headings and one row."""
    headings = ["input [1/s]", "frames", "received [%]", "refused for TF", "refused", "published"]
    headings += ["model p50 [s]", "age p50 [s]", "age p95 [s]", "memory after 10 % [MB]"]
    early = m.megabytes[len(m.megabytes) // 10]
    row = [
        *(f"{RATE:.0f}", str(m.frames), f"{100 * m.received / m.frames:.1f}"),
        *(str(m.untransformed), str(m.rejected), str(len(m.ages))),
        f"{np.median(m.model_seconds):.3f}",
        *(f"{np.percentile(m.ages, percent):.3f}" for percent in (50, 95)),
        *(f"{early:.0f}", f"{m.megabytes[-1]:.0f}", m.summary),
    ]
    return [[*headings, "at the end [MB]", "diagnostics"], row]
