"""`ros2 run iscene_ros replay_node`: the real demo frame with a camera pose, at a chosen rate."""

from __future__ import annotations

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.publisher import Publisher

from iscene_ros.ros.demo_messages import demo_messages
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.publishers import reliable_qos
from iscene_ros.ros.subscriptions import IMAGE_DEPTH


class ReplayNode(Node):
    """Publishes the inputs of the scene node: rgb, depth, camera_info, instances, detections, TF.

    Parameter: rate, frames a second [1/s].
    """

    def __init__(self) -> None:
        super().__init__("replay")
        self._types = RclpyTypes()
        self._publishers_by_topic: dict[str, Publisher] = {}
        description = ParameterDescriptor(
            description="frames a second [1/s]",
            read_only=True,
            floating_point_range=[FloatingPointRange(from_value=0.01, to_value=100.0)],
        )
        rate = self.declare_parameter("rate", 2.0, description).value
        self.create_timer(1 / rate, self._publish)
        self._publish()

    def _publish(self) -> None:
        now = self.get_clock().now().nanoseconds
        if now == 0:  # simulated time has not begun
            return
        for topic, type_name, message, latched in demo_messages(self._types, now):
            self._publisher(topic, type_name, latched).publish(message)

    def _publisher(self, topic: str, type_name: str, latched: bool) -> Publisher:
        if topic not in self._publishers_by_topic:
            kind = self._types.message_class(type_name)
            self._publishers_by_topic[topic] = self.create_publisher(
                kind, topic, reliable_qos(latched, IMAGE_DEPTH)
            )
        return self._publishers_by_topic[topic]
