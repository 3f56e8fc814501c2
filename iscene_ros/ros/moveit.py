"""Client of MoveIt that keeps its planning scene up to date without blocking."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.planning.collision_objects import CollisionObjectCache, CollisionScene
from iscene_ros.planning.planning_scene_tracker import Difference, PlanningSceneTracker
from iscene_ros.ros.encode_planning_scene import encode_planning_scene, encode_removal
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.session.settings import Settings

APPLY, GET = "apply_planning_scene", "get_planning_scene"
APPLY_TYPE = "moveit_msgs/srv/ApplyPlanningScene"
GET_TYPE = "moveit_msgs/srv/GetPlanningScene"
# Timeout of a call [s].
CALL_TIMEOUT = 5.0


class MoveItScene:
    """Synchronises the objects of MoveIt's planning scene with the object map.

    Where `get_planning_scene` is offered, it is first called for the objects that exist or are
    attached to the robot; attached ones, and those of others, are left alone. While a call is
    pending, only the newest scene waits. Objects are marked, so that a new run of the node knows
    those of the one before. The cache makes collision bodies, in the thread that calls `publish`;
    `rejected` is called when MoveIt rejects the objects or does not answer.

    Raises:
        LookupError: moveit_msgs is not installed.
    """

    def __init__(
        self,
        node: Node,
        types: RclpyTypes,
        cache: CollisionObjectCache,
        rejected: Callable[[str], None],
    ) -> None:
        self._node, self._types, self._cache, self._rejected = node, types, cache, rejected
        self._kinds = types.message_class(APPLY_TYPE), types.message_class(GET_TYPE)
        group = ReentrantCallbackGroup()
        self._apply = node.create_client(self._kinds[0], APPLY, callback_group=group)
        self._get = node.create_client(self._kinds[1], GET, callback_group=group)
        self._lock = threading.RLock()
        self._tracker = PlanningSceneTracker()
        self._owner = f"iscene_ros {node.get_fully_qualified_name()}"
        self._waiting: CollisionScene | None = None
        self._call: tuple[Client, Future, float] | None = None
        self._was_available = False

    @property
    def is_new(self) -> bool:
        """Whether MoveIt was started since the last update, which it has not received."""
        return not self._was_available and self._apply.service_is_ready()

    def publish(
        self, update: SceneUpdate, settings: Settings, check: Callable[[], None] = lambda: None
    ) -> None:
        """Send an update, now or after the pending call; from any thread.

        `check` is called before every body and before sending; what it raises ends the work.
        """
        self._was_available = settings.moveit and self._apply.service_is_ready()
        if not self._was_available:
            with self._lock:
                # A MoveIt that is started later has no objects yet.
                self._tracker.forget()
                self._waiting = None
            return
        scene = self._cache.collision_scene(update, settings.collision_options(), check)
        with self._lock:
            check()  # `destroy` may have come in between
            self._waiting = scene
            if self._call is not None and time.monotonic() >= self._call[2]:
                client, future, _ = self._call
                self._call = None
                client.remove_pending_request(future)
                self._tracker.forget()
                self._rejected(f"{client.srv_name} did not answer within {CALL_TIMEOUT:g} s")
            self._continue()

    def destroy(self) -> None:
        """Remove the objects from MoveIt, and destroy the clients; no answer is waited for."""
        with self._lock:
            self._call = self._waiting = None
            names = self._tracker.removal()
        if names and self._apply.service_is_ready():
            scene = encode_removal(self._types, names)
            self._apply.call_async(self._kinds[0].Request(scene=scene))
        for client in (self._apply, self._get):
            self._node.destroy_client(client)

    def _continue(self) -> None:
        """Send the waiting scene, unless a call is pending."""
        if self._call is not None or self._waiting is None:
            return
        if not self._get.service_is_ready():
            self._send(frozenset(), None, ())
            return
        request = self._kinds[1].Request()
        parts = request.components
        parts.components = parts.WORLD_OBJECT_NAMES | parts.ROBOT_STATE_ATTACHED_OBJECTS
        self._begin(self._get, request, self._on_scene)

    def _on_scene(self, response: Any) -> None:
        """Send the waiting scene after MoveIt has listed its objects."""
        scene = response.scene
        attached = {a.object.id for a in scene.robot_state.attached_collision_objects}
        present = {item.id: item.type.db for item in scene.world.collision_objects}
        claimed = [name for name, owner in present.items() if owner == self._owner]
        self._send(attached, list(present), claimed)

    def _send(
        self,
        attached: Collection[str],
        present: Collection[str] | None,
        claimed: Collection[str],
    ) -> None:
        """Send the difference to the waiting scene; arguments as of `difference`."""
        scene, self._waiting = self._waiting, None
        if scene is None:
            return
        difference = self._tracker.difference(scene, attached, present, claimed)
        if difference.is_empty:
            self._tracker.confirm(difference)
            return
        request = self._kinds[0].Request(
            scene=encode_planning_scene(self._types, difference, self._owner)
        )
        self._begin(self._apply, request, lambda response: self._on_applied(response, difference))

    def _on_applied(self, response: Any, difference: Difference) -> None:
        self._tracker.confirm(difference)
        if response.success:
            return
        # Part of it may have been applied: the next update sends everything.
        self._tracker.forget()
        self._rejected(
            f"{self._apply.srv_name} rejected the objects in frame {difference.scene.frame_id}; "
            "look at the log of move_group: its robot model may not know this frame"
        )

    def _begin(self, client: Client, request: Any, answered: Callable[[Any], None]) -> None:
        """Call a service; `answered` is called with its response."""
        future = client.call_async(request)
        self._call = client, future, time.monotonic() + CALL_TIMEOUT
        future.add_done_callback(lambda done: self._end(done, answered))

    def _end(self, future: Future, answered: Callable[[Any], None]) -> None:
        with self._lock:
            if self._call is None or self._call[1] is not future:
                return  # timed out before
            self._call = None
            try:
                answered(future.result())
            except Exception as error:  # the next update sends everything
                self._tracker.forget()
                self._rejected(f"{type(error).__name__}: {error}")
            self._continue()
