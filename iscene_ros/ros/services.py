"""Services of the scene node, ~/complete to ~/set_paused, and the topic ~/forget."""

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
from iscene_ros.io.twin_files import write_twin
from iscene_ros.io.world_files import write_world
from iscene_ros.planning.twin import make_twin
from iscene_ros.ros.common_messages import STRING_TYPE
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.session.session import SceneSession
from iscene_ros.session.worker import Worker

INACTIVE = "the node is not active: ros2 lifecycle set <node> activate"


class Services:
    """Offers the services of the scene node.

    Long jobs run in the thread of the worker, while the executor of the node continues to spin;
    `worker` returns it while the node is active, else None.
    """

    def __init__(
        self,
        node: LifecycleNode,
        types: RclpyTypes,
        worker: Callable[[], Worker | None],
        session: SceneSession,
        publish: Callable[..., None],
    ) -> None:
        self._node, self._worker, self._session, self._publish = node, worker, session, publish
        # A group of their own, as a waiting service must not block subscriptions and timers.
        group = ReentrantCallbackGroup()
        # Wakes the executor when a job has finished, so that it resumes the waiting callback.
        self._wake_up = node.create_guard_condition(lambda: None, group)
        callbacks = {
            "~/complete": (Trigger, self._complete),
            "~/save_scene": (Trigger, self._save_scene),
            "~/save_world": (Trigger, self._save_world),
            "~/reset": (Trigger, self._reset),
            "~/set_paused": (SetBool, self._set_paused),
        }
        text = types.message_class(STRING_TYPE)
        self._forget_topic = node.create_subscription(text, "~/forget", self._forget, 10)
        self._services = [
            node.create_service(kind, name, callback, callback_group=group)
            for name, (kind, callback) in callbacks.items()
        ]

    def destroy(self) -> None:
        """Destroy the services."""
        for service in self._services:
            self._node.destroy_service(service)
        self._node.destroy_subscription(self._forget_topic)
        self._node.destroy_guard_condition(self._wake_up)

    async def _complete(self, request: Any, response: Any) -> Any:
        """Complete the newest frame, whatever the mode."""
        worker = self._worker()
        if worker is None:
            return _answer(response, False, INACTIVE)
        rejected = self._session.rejections.total
        update = await self._result(worker.request_completion())
        if isinstance(update, SceneUpdate):
            seen, total = len(update.seen), len(update.objects)
            seconds = update.scene.timings.total
            return _answer(
                response, True, f"{seen} objects completed in {seconds:.2f} s, {total} in the map"
            )
        status = self._session.status(self._node.get_clock().now().nanoseconds)
        if self._session.rejections.total > rejected:
            reason = self._session.rejections.newest
        else:
            reason = "no new frame came" if status.level == "ok" else status.summary
        return _answer(response, False, f"no frame could be completed: {reason}")

    async def _save_scene(self, request: Any, response: Any) -> Any:
        """Write the newest scene to a new folder of `save_directory`; answer its path."""
        return await self._save(response, "scene", self._write_scene)

    async def _save_world(self, request: Any, response: Any) -> Any:
        """Write the world to a new folder of `save_directory`; answer its path."""
        return await self._save(response, "world", self._write_world)

    async def _save(
        self, response: Any, kind: str, write: Callable[[SceneUpdate, Path], None]
    ) -> Any:
        """Have the worker write to a folder that is named after the newest update's stamp."""
        worker, update = self._worker(), self._session.update
        if worker is None:
            return _answer(response, False, INACTIVE)
        if update is None:
            return _answer(response, False, "no scene yet; complete one first")
        base = Path(self._session.settings.save_directory).expanduser().resolve()
        stamp = f"{update.stamp_ns // SECOND}_{update.stamp_ns % SECOND:09d}"
        directory = base / f"{kind}_{stamp}"
        # An object may have gone since the newest frame: what was saved of the world before stays.
        while kind == "world" and directory.exists():
            directory = directory.with_name(f"{directory.name}_")
        outcome = await self._result(worker.submit(lambda: write(update, directory)))
        if isinstance(outcome, InputError):
            return _answer(response, False, str(outcome).replace("--out", "save_directory"))
        if isinstance(outcome, BaseException):
            return _answer(response, False, f"{type(outcome).__name__}: {outcome}")
        return _answer(response, True, str(directory))

    def _write_scene(self, update: SceneUpdate, directory: Path) -> None:
        """Write a scene, and its twin beside it where the settings ask for one."""
        settings, kind = self._session.settings, self._session.settings.save_twin
        write_scene(update.map_scene, directory, update.observation)
        if kind == "none":
            return
        try:
            shape = "hull" if settings.collision_shape == "hull" else "auto"
            twin = make_twin(update.map_scene, shape=shape)
            write_twin(twin, directory.with_name(f"{directory.name}_{kind}"), kind)
        except InputError as error:
            raise InputError(f"{directory} is written, but not its twin: {error}") from error

    def _write_world(self, update: SceneUpdate, directory: Path) -> None:
        world = self._session.world()
        if world is None:
            raise InputError("no scene any more; complete one first")
        write_world(world, directory)

    def _reset(self, request: Any, response: Any) -> Any:
        """Remove all objects and publish the empty map."""
        self._publish_in_order(self._session.reset())
        return _answer(response, True, "all objects forgotten")

    def _forget(self, message: Any) -> None:
        """Remove the object of a TF name or id, and publish the map without it."""
        now = self._node.get_clock().now().nanoseconds
        self._publish_in_order(self._session.forget(message.data, now))

    def _publish_in_order(self, update: SceneUpdate | None) -> None:
        """Publish a changed map after an update in progress."""
        worker = self._worker()
        if update is not None and worker is not None:
            worker.submit(lambda: self._publish(update, worker.check))
        elif update is not None:
            self._publish(update)

    def _set_paused(self, request: Any, response: Any) -> Any:
        """Pause or resume the continuous mode."""
        worker = self._worker()
        if worker is None:
            return _answer(response, False, INACTIVE)
        worker.set_paused(request.data)
        return _answer(response, True, "paused" if request.data else "running")

    async def _result(self, future: ThreadFuture) -> Any:
        """Wait for a job of the worker; return its result, or the exception that it raised."""
        done = Future(executor=self._node.executor)

        def wake(_: ThreadFuture) -> None:
            done.set_result(True)
            self._wake_up.trigger()

        future.add_done_callback(wake)
        await done
        try:
            return future.exception() or future.result()
        except CancelledError:
            return InputError(INACTIVE)


def _answer(response: Any, success: bool, message: str) -> Any:
    """Fill the response of a Trigger or SetBool."""
    response.success, response.message = success, message
    return response
