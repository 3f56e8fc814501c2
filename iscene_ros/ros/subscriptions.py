"""The subscriptions of a node's inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.publishers import TF_DEPTH, reliable_qos
from iscene_ros.ros.topics import TRANSFORM_KEYS, InputTopic, input_topics
from iscene_ros.session.settings import Settings

# The model completes the newest image: a longer queue would only delay it.
IMAGE_DEPTH = 5


class Subscriptions:
    """The subscriptions that the settings ask for.

    `receive` is called with the key of an input and a message.

    Raises:
        LookupError: a message type is not installed.
    """

    def __init__(
        self,
        node: Node,
        types: RclpyTypes,
        settings: Settings,
        receive: Callable[[str, Any], None],
    ) -> None:
        self._node, self._types, self._receive = node, types, receive
        self._topics = input_topics(settings)
        self._subscriptions = [self._made(topic, _qos(topic, settings)) for topic in self._topics]
        self._has_latched = False
        self.add_latched()

    def destroy(self) -> None:
        """Destroy the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def add_latched(self) -> None:
        """Subscribe to a calibration that was published once, before this node came.

        Only where there is one: a latched subscription gets nothing from other publishers, and
        both sides warn of it.
        """
        topic = next(topic for topic in self._topics if topic.key == "camera_info")
        latched = DurabilityPolicy.TRANSIENT_LOCAL
        if not self._has_latched and any(
            info.topic_type == topic.type_name and info.qos_profile.durability == latched
            for info in self._publishers_of(topic)
        ):
            self._has_latched = True
            self._subscriptions.append(self._made(topic, reliable_qos(latched=True)))

    def wrong_types(self) -> list[str]:
        """Return one line about every input topic whose publishers all have another type."""
        lines = []
        for topic in self._topics:
            found = {info.topic_type for info in self._publishers_of(topic)}
            name = self._node.resolve_topic_name(topic.name)
            if found and topic.type_name not in found:
                lines.append(
                    f"{topic.key}: {name} is {' and '.join(sorted(found))}, expected "
                    f"{topic.type_name}; remap {topic.key} to another topic"
                )
        return lines

    def _made(self, topic: InputTopic, qos: QoSProfile) -> Subscription:
        return self._node.create_subscription(
            self._types.message_class(topic.type_name),
            topic.name,
            lambda message: self._receive(topic.key, message),
            qos,
        )

    def _publishers_of(self, topic: InputTopic) -> list[TopicEndpointInfo]:
        name = self._node.resolve_topic_name(topic.name)
        return self._node.get_publishers_info_by_topic(name)


def _qos(topic: InputTopic, settings: Settings) -> QoSProfile:
    if topic.key in TRANSFORM_KEYS:
        return reliable_qos(latched=topic.key == "tf_static", depth=TF_DEPTH)
    reliable = settings.reliability == "reliable"
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=IMAGE_DEPTH, reliability=reliability)
