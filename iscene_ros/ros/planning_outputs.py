"""The outputs with collision bodies: ~/planning_scene and the planning scene of MoveIt."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.moveit import MoveItScene
from iscene_ros.ros.publishers import Publishers
from iscene_ros.session.update_thread import UpdateThread


class PlanningOutputs:
    """Sends updates on ~/planning_scene, and to MoveIt where moveit_msgs is installed.

    The bodies of a first scene take many seconds. Between `start` and `stop` a thread of its own
    makes them, in which the worker completes further frames; of these it sends the newest.

    Args:
        publishers: of the node; it encodes ~/planning_scene, and has the settings.
        rejected: called when MoveIt rejects the objects or does not answer.
    """

    def __init__(
        self,
        node: LifecycleNode,
        types: RclpyTypes,
        publishers: Publishers,
        rejected: Callable[[str], None],
    ) -> None:
        self._publishers, self._report = publishers, node.get_logger().error
        self._thread: UpdateThread | None = None
        try:
            cache = publishers.encoder.collision_objects
            self._moveit = MoveItScene(node, types, cache, rejected)
        except LookupError:
            self._moveit = None

    @property
    def has_new_moveit(self) -> bool:
        """Whether MoveIt was started since the last update, which it has not received."""
        is_enabled = self._moveit is not None and self._publishers.encoder.settings.moveit
        return is_enabled and self._moveit.is_new

    def start(self) -> None:
        """Start the thread."""
        self._thread = UpdateThread(self._send, self._report)

    def stop(self) -> None:
        """Stop the thread, where it was started; what it has not sent is left out."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    def publish(self, update: SceneUpdate) -> None:
        """Have an update sent by the thread; without one send it now."""
        thread = self._thread
        if thread is None:
            self._send(update)
        else:
            thread.put(update)

    def destroy(self) -> None:
        """Remove the objects from MoveIt, after `stop`."""
        if self._moveit is not None:
            self._moveit.destroy()

    def _send(self, update: SceneUpdate, check: Callable[[], None] = lambda: None) -> None:
        self._publishers.publish_planning_scene(update, check)
        if self._moveit is not None:
            self._moveit.publish(update, self._publishers.encoder.settings, check)
