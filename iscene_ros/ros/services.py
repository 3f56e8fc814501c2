"""The services of a node: ~/complete, ~/save_scene, ~/reset, ~/set_paused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import Future as ThreadFuture
from pathlib import Path
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from iscene_ros.core.errors import InputError
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.core.stamps import SECOND
from iscene_ros.io.scene_io import write_scene
from iscene_ros.session.session import SceneSession
from iscene_ros.session.worker import Worker

INACTIVE = "the node is not active: ros2 lifecycle set <node> activate"


class Services:
    """Answers calls; the worker does long ones while the executor goes on.

    Args:
        node: offers the services.
        worker: the worker while the node is active, else None.
        session: holds the scene that is saved and reset.
        publish: publishes an update.
    """

    def __init__(
        self,
        node: LifecycleNode,
        worker: Callable[[], Worker | None],
        session: SceneSession,
        publish: Callable[[SceneUpdate], None],
    ) -> None:
        self._node, self._worker, self._session, self._publish = node, worker, session, publish
        # While an answer is awaited, its callback group is busy; inputs and timers are in another.
        group = ReentrantCallbackGroup()
        # A finished job wakes the executor, which then resumes the waiting answer.
        self._finished = node.create_guard_condition(lambda: None, group)
        callbacks = {
            "~/complete": (Trigger, self._complete),
            "~/save_scene": (Trigger, self._save_scene),
            "~/reset": (Trigger, self._reset),
            "~/set_paused": (SetBool, self._set_paused),
        }
        self._services = [
            node.create_service(kind, name, callback, callback_group=group)
            for name, (kind, callback) in callbacks.items()
        ]

    def destroy(self) -> None:
        """Destroy the services."""
        for service in self._services:
            self._node.destroy_service(service)
        self._node.destroy_guard_condition(self._finished)

    async def _complete(self, request: Any, response: Any) -> Any:
        worker = self._worker()
        if worker is None:
            return _answer(response, False, INACTIVE)
        rejected = self._session.rejections.total
        update = await self._result(worker.demand())
        if isinstance(update, SceneUpdate):
            seen, total = len(update.seen), len(update.objects)
            seconds = update.scene.timings.total
            return _answer(
                response, True, f"{seen} objects completed in {seconds:.2f} s, {total} in the map"
            )
        newest = self._session.rejections.newest
        why = newest if self._session.rejections.total > rejected else self._status_summary()
        return _answer(response, False, f"no frame could be completed: {why}")

    def _status_summary(self) -> str:
        status = self._session.status(self._node.get_clock().now().nanoseconds)
        return "no new frame came" if status.level == "ok" else status.summary

    async def _save_scene(self, request: Any, response: Any) -> Any:
        worker, update = self._worker(), self._session.update
        if worker is None:
            return _answer(response, False, INACTIVE)
        if update is None:
            return _answer(response, False, "no scene yet; complete one first")
        directory = self._scene_directory(update)
        job = worker.submit(lambda: write_scene(update.map_scene, directory, update.observation))
        outcome = await self._result(job)
        if isinstance(outcome, InputError):
            return _answer(response, False, str(outcome).replace("--out", "save_directory"))
        if isinstance(outcome, BaseException):
            return _answer(response, False, f"{type(outcome).__name__}: {outcome}")
        return _answer(response, True, str(directory))

    def _scene_directory(self, update: SceneUpdate) -> Path:
        base = Path(self._session.settings.save_directory).expanduser().resolve()
        return base / f"scene_{update.stamp_ns // SECOND}_{update.stamp_ns % SECOND:09d}"

    def _reset(self, request: Any, response: Any) -> Any:
        emptied, worker = self._session.reset(), self._worker()
        if emptied is not None and worker is not None:
            # After what the worker may be publishing now.
            worker.submit(lambda: self._publish(emptied))
        elif emptied is not None:
            self._publish(emptied)
        return _answer(response, True, "all objects forgotten")

    def _set_paused(self, request: Any, response: Any) -> Any:
        worker = self._worker()
        if worker is None:
            return _answer(response, False, INACTIVE)
        worker.paused = request.data
        return _answer(response, True, "paused" if request.data else "running")

    async def _result(self, future: ThreadFuture) -> Any:
        """Return what a job of the worker returned or raised."""
        done = Future(executor=self._node.executor)

        def wake(_: ThreadFuture) -> None:
            done.set_result(True)
            self._finished.trigger()

        future.add_done_callback(wake)
        await done
        try:
            return future.exception() or future.result()
        except CancelledError:
            return InputError(INACTIVE)


def _answer(response: Any, success: bool, message: str) -> Any:
    response.success, response.message = success, message
    return response
