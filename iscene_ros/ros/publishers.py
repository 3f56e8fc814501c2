"""The publishers of a node's outputs."""

from __future__ import annotations

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.planning.collision_objects import CollisionObjectCache
from iscene_ros.ros.encoder import Encoder
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.topics import DIAGNOSTICS, OUTPUTS, PLANNING_SCENE, TF, OutputTopic
from iscene_ros.session.settings import Settings

# The queue of tf2's own broadcasters: several frames pass before a slow listener loses one.
TF_DEPTH = 100


class Publishers:
    """One publisher an output; what nobody hears is not made unless it is latched.

    Args:
        node: publishes only while it is active.
        types: of the node's ROS.
        settings: replaceable by `settings`.
    """

    def __init__(self, node: LifecycleNode, types: RclpyTypes, settings: Settings) -> None:
        self._node = node
        self._encoder = Encoder(types, settings, node.resolve_topic_name("~/meshes"))
        self._publishers = {
            topic: node.create_lifecycle_publisher(
                types.message_class(topic.type_name),
                topic.name,
                reliable_qos(topic.latched, TF_DEPTH if topic.name == TF else 1),
            )
            for topic in OUTPUTS
            if topic.name != DIAGNOSTICS and _is_installed(types, topic)
        }
        self._listeners: frozenset[tuple[int, ...]] = frozenset()

    @property
    def settings(self) -> Settings:
        """What the encoder goes by."""
        return self._encoder.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._encoder.settings = settings

    def publish(self, update: SceneUpdate) -> None:
        """Publish an update; from any thread."""
        for topic, publisher in self._publishers.items():
            if topic.name == TF and not (self.settings.publish_tf and update.objects):
                continue
            if topic.latched or publisher.get_subscription_count():
                if topic.name == PLANNING_SCENE:
                    self._greet_listeners()
                publisher.publish(self._encoder.encode(topic.name, update))

    @property
    def pictures(self) -> CollisionObjectCache:
        """What makes collision bodies for ~/planning_scene; others may share them."""
        return self._encoder.pictures

    def _greet_listeners(self) -> None:
        """Changes are of no use to those who did not hear what was before."""
        name = self._node.resolve_topic_name(PLANNING_SCENE)
        heard = self._node.get_subscriptions_info_by_topic(name)
        listeners = frozenset(tuple(info.endpoint_gid) for info in heard)
        if listeners - self._listeners:
            self._encoder.tell_all()
        self._listeners = listeners

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)


def _is_installed(types: RclpyTypes, topic: OutputTopic) -> bool:
    """Whether a topic can be published; only optional ones may not be.

    Raises:
        LookupError: the type of a topic that is not optional is not installed.
    """
    try:
        types.message_class(topic.type_name)
    except LookupError:
        if not topic.optional:
            raise
        return False
    return True


def reliable_qos(latched: bool, depth: int = 1) -> QoSProfile:
    """Reliable; latched topics keep their newest messages for late subscribers."""
    durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
