"""The lifecycle node: topics and services around a session and its worker."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from iscene_ros.core.scene_update import SceneUpdate, Status
from iscene_ros.models.model_config import ModelConfig
from iscene_ros.ros.encode_diagnostics import encode_diagnostics
from iscene_ros.ros.message_decoder import MessageDecoder
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.moveit import MoveItScene
from iscene_ros.ros.parameters import Parameters
from iscene_ros.ros.publishers import Publishers
from iscene_ros.ros.services import Services
from iscene_ros.ros.subscriptions import Subscriptions
from iscene_ros.session.out_of_memory import Completer, OutOfMemoryFallback
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.session import SceneSession
from iscene_ros.session.settings import Settings
from iscene_ros.session.worker import Worker

DIAGNOSTICS_PERIOD = 1.0
# Whether a MoveIt has come is looked at this often [s].
MOVEIT_PERIOD = 1.0
# Waiting frames are looked at this often where no message comes in [s].
POLL_PERIOD = 0.02

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


Transition = Callable[["SceneNode", LifecycleState], TransitionCallbackReturn]


def _reported(transition: Transition) -> Transition:
    """A transition whose exceptions are logged; rclpy itself swallows them."""

    @wraps(transition)
    def reported(node: SceneNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception:
            node.get_logger().error(f"{transition.__name__}: {traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    return reported


class SceneNode(LifecycleNode):
    """Completes what the camera sees and publishes the scene.

    Args:
        load: makes a completer of a choice of model; the shipped loader by default.
        **node_arguments: of rclpy's node, such as `parameter_overrides` or `namespace`.

    Raises:
        InputError: a parameter is out of range.
    """

    def __init__(
        self, load: Callable[[ModelConfig], Completer] | None = None, **node_arguments: Any
    ) -> None:
        super().__init__("iscene", **node_arguments)
        # Attributes of rclpy have short names, too: _parameters, _services.
        self._load = load or _load_chosen
        self._types = RclpyTypes()
        self.session: SceneSession | None = None
        self._worker: Worker | None = None
        self._moveit: MoveItScene | None = None
        self._scene_inputs: Subscriptions | None = None
        self._poll_timer = None
        self._failure = ""
        self._scene_parameters = Parameters(self, lambda: self.session is not None, self._apply)
        diagnostics = self._types.message_class("diagnostic_msgs/msg/DiagnosticArray")
        self._diagnostics = self.create_publisher(diagnostics, "/diagnostics", 10)
        self.create_timer(DIAGNOSTICS_PERIOD, self._publish_diagnostics)
        self.create_timer(MOVEIT_PERIOD, self._tell_new_moveit)

    @_reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model; fails, and says why, where it cannot."""
        settings = self._scene_parameters.settings
        log = self.get_logger()
        try:
            completer = OutOfMemoryFallback(
                lambda device: self._load(settings.choice(device)), settings.device, log.warning
            )
            self._scene_outputs = Publishers(self, self._types, settings)
        except Exception as error:  # whatever it is, the node stays unconfigured and says so
            self._failure = f"cannot configure: {' '.join(str(error).split())}"
            if isinstance(error, ModuleNotFoundError):
                self._failure += "; activate the Python environment that has it, then launch"
            log.error(self._failure)
            return FAILURE
        self._failure = ""
        self.session = SceneSession(settings, completer, log.warning)
        self._scene_services = Services(self, lambda: self._worker, self.session, self._publish)
        self._moveit = self._moveit_scene()
        log.info(f"model {settings.model} loaded")
        return SUCCESS

    @_reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and begin to complete."""
        settings = self._scene_parameters.settings
        self._intake = MessageDecoder(settings, self._reject)
        try:
            self._scene_inputs = Subscriptions(self, self._types, settings, self._receive)
        except LookupError as error:
            self._failure = f"cannot activate: {error}"
            self.get_logger().error(self._failure)
            return FAILURE
        self._failure = ""
        super().on_activate(state)
        self._worker = Worker(self.session, self._now_ns, self._publish, self.get_logger().error)
        self._poll_timer = self.create_timer(POLL_PERIOD, self._poll)
        return SUCCESS

    @_reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe; the published scene stays."""
        self._stop()
        return super().on_deactivate(state)

    @_reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        self._release()
        return SUCCESS

    @_reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop, and free the model."""
        self._stop()
        self._release()
        return SUCCESS

    @_reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured."""
        return self.on_shutdown(state)

    def _stop(self) -> None:
        if self._scene_inputs is not None:
            self._scene_inputs.destroy()
            self._scene_inputs = None
        if self._poll_timer is not None:
            self.destroy_timer(self._poll_timer)
            self._poll_timer = None
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def _release(self) -> None:
        if self.session is None:
            return
        self._scene_services.destroy()
        self._scene_outputs.destroy()
        if self._moveit is not None:
            self._moveit.destroy()
        self.session = self._moveit = self._scene_services = self._scene_outputs = None
        gc.collect()
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _moveit_scene(self) -> MoveItScene | None:
        """None where moveit_msgs is not installed."""

        def rejected(line: str) -> None:
            if self.session is not None:
                self._reject(RejectReason.PLANNING_SCENE, line)

        try:
            return MoveItScene(self, self._types, self._scene_outputs.pictures, rejected)
        except LookupError:
            return None

    def _publish(self, update: SceneUpdate) -> None:
        """An update to all who want it; MoveIt last, since bodies for it take longest."""
        self._scene_outputs.publish(update)
        if self._moveit is not None:
            self._moveit.publish(update, self._scene_parameters.settings)

    def _apply(self, settings: Settings) -> None:
        """Settings changed while running."""
        if self.session is not None:
            self.session.settings = self._scene_outputs.settings = settings
        if self._worker is not None:
            self._intake.settings = settings
            self._worker.settings_changed()

    def _receive(self, key: str, message: Any) -> None:
        now = self._now_ns()
        for item in self._intake.decode(key, message):
            self.session.add(item, now)
        self._poll()

    def _poll(self) -> None:
        if self.session.poll(self._now_ns()) and self._worker is not None:
            self._worker.frame_ready()

    def _reject(self, reason: RejectReason, message: str) -> None:
        self.session.reject(reason, message, self._now_ns())

    def _tell_new_moveit(self) -> None:
        """The scene of now to a MoveIt that was started after it."""
        settings, worker, moveit = self._scene_parameters.settings, self._worker, self._moveit
        if worker is None or moveit is None or not (settings.moveit and moveit.is_new):
            return
        update = self.session.update
        if update is not None:
            worker.submit(lambda: moveit.publish(update, settings))

    def _publish_diagnostics(self) -> None:
        now = self._now_ns()
        if self._failure:
            status = Status("error", self._failure)
        elif self.session is None:
            status = Status("warn", "not configured")
        elif self._worker is None:
            status = Status("warn", "not active")
        else:
            status = self.session.status(now)
        settings = self._scene_parameters.settings
        hardware = f"{Path(settings.model).name} on {settings.device}"
        self._diagnostics.publish(
            encode_diagnostics(self._types, status, f"{self.get_name()}: scene", hardware, now)
        )

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def _load_chosen(choice: ModelConfig) -> Completer:
    from iscene_ros.completion.scene_completer import CompletionOptions, SceneCompleter

    # The session relates the whole world, of which a frame shows a part.
    return SceneCompleter.from_choice(choice, CompletionOptions(relations=False))
