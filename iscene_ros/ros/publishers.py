"""The publishers of a node's outputs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.ros.encoder import Encoder
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.topics import (
    DIAGNOSTICS,
    OUTPUTS,
    PLANNING_SCENE,
    TF,
    OutputTopic,
    output_topic,
)
from iscene_ros.session.settings import Settings

# Queue of tf2's own broadcasters and listeners: a slow subscriber loses no frame for a while.
TF_DEPTH = 100
# A burst of updates has ended when none came for this time [s].
BURST_PAUSE = 1.0


class Publishers:
    """One publisher an output, but /diagnostics; messages without subscribers are not encoded.

    A latched topic without subscribers is published once, when a burst of updates has ended, so
    that the middleware keeps its newest message for late subscribers; see `publish_pending`.
    Thread-safe. Only while the node is active anything is published; `failed` is called about an
    output that could not be made or sent, on which the others do not depend.

    Attributes:
        encoder: encodes the messages; its settings may be replaced at any time.
    """

    def __init__(
        self,
        node: LifecycleNode,
        types: RclpyTypes,
        settings: Settings,
        failed: Callable[[str], None],
    ) -> None:
        self._node, self._failed = node, failed
        self.encoder = Encoder(types, settings, node.resolve_topic_name("~/meshes"))
        self._publishers = {
            topic: node.create_lifecycle_publisher(
                types.message_class(topic.type_name),
                settings.topics_tf if topic.name == TF else topic.name,
                reliable_qos(topic.latched, TF_DEPTH if topic.name == TF else 1),
            )
            for topic in OUTPUTS
            if topic.name != DIAGNOSTICS and _is_installed(types, topic)
        }
        self._subscribers: frozenset[tuple[int, ...]] = frozenset()
        self._lock = threading.RLock()
        self._newest: SceneUpdate | None = None
        self._newest_at = 0.0
        self._pending: list[OutputTopic] = []

    def publish(self, update: SceneUpdate, check: Callable[[], None] = lambda: None) -> None:
        """Publish an update on the topics that have subscribers, but ~/planning_scene.

        `check` is called before every output; what it raises ends the work.
        """
        with self._lock:
            self._newest, self._newest_at = update, time.monotonic()
            self._pending = [topic for topic in self._publishers if topic.latched]
            has_frames = self.encoder.settings.publish_tf and update.objects
            left_out = {PLANNING_SCENE} if has_frames else {PLANNING_SCENE, TF}
            for topic, publisher in self._publishers.items():
                check()
                if publisher.get_subscription_count() and topic.name not in left_out:
                    self._publish(topic, update, check)

    def publish_planning_scene(self, update: SceneUpdate, check: Callable[[], None]) -> None:
        """Publish an update on ~/planning_scene, if it has subscribers; see `publish`.

        Its collision bodies take seconds, in which another thread may publish further updates on
        the other topics; one thread at a time makes them. `check` is also called before every body.
        """
        check()
        topic = output_topic(PLANNING_SCENE)
        if topic in self._publishers and self._publishers[topic].get_subscription_count():
            self._publish(topic, update, check)

    def publish_pending(self, at_once: bool = False) -> None:
        """Publish the newest update on latched topics that do not have it yet.

        Args:
            at_once: on all of them; else on those that have got a subscriber since, and on all when
                a burst of updates has ended. Nothing while an update is being published: that may
                take seconds, in which the executor has to receive messages.
        """
        if not self._lock.acquire(blocking=at_once):
            return
        try:
            has_ended = time.monotonic() - self._newest_at > BURST_PAUSE
            for topic in tuple(self._pending):
                if at_once or has_ended or self._publishers[topic].get_subscription_count():
                    self._publish(topic, self._newest)
        finally:
            self._lock.release()

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)

    def _publish(
        self, topic: OutputTopic, update: SceneUpdate, check: Callable[[], None] = lambda: None
    ) -> None:
        publisher = self._publishers[topic]
        if not publisher.is_activated:
            return
        if topic in self._pending:
            self._pending.remove(topic)
        try:
            if topic.name == PLANNING_SCENE:
                self._include_new_subscribers()
            message = self.encoder.encode(topic.name, update, check)
            check()
            publisher.publish(message)
        except Exception as error:  # whatever one output lacks, the others have
            check()
            self._failed(f"{topic.name}: {type(error).__name__}: {error}")

    def _include_new_subscribers(self) -> None:
        """Restart ~/planning_scene for new subscribers, who did not get the earlier changes."""
        name = self._node.resolve_topic_name(PLANNING_SCENE)
        endpoints = self._node.get_subscriptions_info_by_topic(name)
        subscribers = frozenset(tuple(info.endpoint_gid) for info in endpoints)
        if subscribers - self._subscribers:
            self.encoder.restart_planning_scene()
        self._subscribers = subscribers


def _is_installed(types: RclpyTypes, topic: OutputTopic) -> bool:
    """Return whether a topic can be published; LookupError where one has to be that cannot."""
    try:
        types.message_class(topic.type_name)
    except LookupError:
        if not topic.optional:
            raise
        return False
    return True


def reliable_qos(latched: bool, depth: int = 1) -> QoSProfile:
    """Return a reliable QoS; latched topics keep their newest messages for late subscribers."""
    durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
