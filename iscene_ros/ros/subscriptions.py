"""The subscriptions of a node's inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.publishers import TF_DEPTH, reliable_qos
from iscene_ros.ros.topics import TRANSFORM_KEYS, InputTopic, input_topics
from iscene_ros.session.settings import Settings

# The model completes the newest image: a longer queue would only delay it.
IMAGE_DEPTH = 5


class Subscriptions:
    """The subscriptions that the settings ask for.

    Args:
        node: node that subscribes.
        types: finds message classes.
        settings: topics, types and QoS.
        receive: called with the key of an input and a message.

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
        self._node = node
        self._subscriptions = [
            node.create_subscription(
                types.message_class(topic.type_name),
                topic.name,
                lambda message, key=topic.key: receive(key, message),
                _qos(topic, settings),
            )
            for topic in input_topics(settings)
        ]

    def destroy(self) -> None:
        """Destroy the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)


def _qos(topic: InputTopic, settings: Settings) -> QoSProfile:
    if topic.key in TRANSFORM_KEYS:
        return reliable_qos(latched=topic.key == "tf_static", depth=TF_DEPTH)
    reliable = settings.reliability == "reliable"
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=IMAGE_DEPTH, reliability=reliability)
