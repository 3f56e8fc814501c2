"""A stand-in for MoveIt's move_group: its two services of the planning scene."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moveit_msgs.msg import AttachedCollisionObject, CollisionObject
from moveit_msgs.srv import ApplyPlanningScene, GetPlanningScene
from planning_scene_model import PlanningSceneModel
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node


class MoveGroup:
    """Answers from a model of a planning scene.

    Attributes:
        model: of its planning scene.
        rejects: whether it says no to everything.
        calls: of apply_planning_scene, so far.
        may_answer: cleared: it lets callers wait.
    """

    def __init__(self, node: Node) -> None:
        self.model = PlanningSceneModel()
        self.rejects, self.calls = False, 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.failures: list[BaseException] = []
        node.create_service(ApplyPlanningScene, "apply_planning_scene", self._apply)
        node.create_service(GetPlanningScene, "get_planning_scene", self._get)

    @property
    def names(self) -> set[str]:
        """Of the world's objects without the support."""
        ours = ("support", "environment")
        return {name for name in self.model.world if not name.startswith(ours)}

    def _apply(self, request: Any, response: Any) -> Any:
        self.calls += 1
        self.may_answer.wait()
        try:
            response.success = not self.rejects and self.model.apply(request.scene)
        except AssertionError as error:
            self.failures.append(error)
        return response

    def _get(self, request: Any, response: Any) -> Any:
        response.scene.world.collision_objects = [
            CollisionObject(id=name, type=item.type) for name, item in self.model.world.items()
        ]
        response.scene.robot_state.attached_collision_objects = [
            AttachedCollisionObject(object=CollisionObject(id=n)) for n in self.model.attached
        ]
        return response


@contextmanager
def move_group() -> Iterator[MoveGroup]:
    """Run a move_group; rclpy is initialised. Wrong requests are raised at the end."""
    node = Node("move_group")
    made, executor = MoveGroup(node), SingleThreadedExecutor()
    executor.add_node(node)
    stopped = threading.Event()

    def spin() -> None:
        while not stopped.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.may_answer.set()
        stopped.set()
        thread.join(timeout=5)
        executor.shutdown(timeout_sec=5)
        node.destroy_node()
    assert not made.failures, made.failures[0]
