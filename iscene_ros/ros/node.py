"""The lifecycle node: topics and services around a session and its worker."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.models.model_config import ModelConfig
from iscene_ros.ros.diagnostics import Diagnostics, with_advice
from iscene_ros.ros.lifecycle_guard import guard_change_state
from iscene_ros.ros.message_decoder import MessageDecoder
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.parameters import Parameters
from iscene_ros.ros.planning_outputs import PlanningOutputs
from iscene_ros.ros.publishers import Publishers
from iscene_ros.ros.services import Services
from iscene_ros.ros.subscriptions import Subscriptions
from iscene_ros.session.out_of_memory import Completer, OutOfMemoryFallback
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.session import SceneSession
from iscene_ros.session.settings import Settings
from iscene_ros.session.status import Status
from iscene_ros.session.worker import Worker

DIAGNOSTICS_PERIOD = 1.0
# Period of the check for what was started later: MoveIt, a latched calibration [s].
LATECOMER_PERIOD = 1.0
# Period of the check for late subscribers of latched topics [s].
LATE_SUBSCRIBER_PERIOD = 0.2
# Period of the check for waiting frames while no message comes in [s].
POLL_PERIOD = 0.02

AUTOSTART = ParameterDescriptor(
    description="configure and activate the node when it starts", read_only=True
)
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


Transition = Callable[["SceneNode", LifecycleState], TransitionCallbackReturn]


def _reported(transition: Transition) -> Transition:
    """Wrap a transition so that its exceptions are logged; rclpy itself swallows them."""

    @wraps(transition)
    def reported(node: SceneNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception:
            node.get_logger().error(f"{transition.__name__}: {traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    return reported


class SceneNode(LifecycleNode):
    """Completes the objects in view of a camera and publishes the scene.

    Args:
        load: returns the completer of a model; a `SceneCompleter` by default.
        **node_arguments: arguments of rclpy's node, such as `parameter_overrides`.

    Raises:
        InputError: a parameter is out of range.
    """

    def __init__(
        self, load: Callable[[ModelConfig], Completer] | None = None, **node_arguments: Any
    ) -> None:
        super().__init__("iscene", **node_arguments)
        # Names such as _parameters and _services are attributes of rclpy's node.
        self._load = load or _load_completer
        self._types = RclpyTypes()
        self.session: SceneSession | None = None
        self._worker: Worker | None = None
        self._planning: PlanningOutputs | None = None
        self._scene_subscriptions: Subscriptions | None = None
        self._scene_publishers: Publishers | None = None
        self._poll_timer = None
        self._failure = ""
        self._is_shut_down = False
        self._scene_parameters = Parameters(self, lambda: self.session is not None, self._apply)
        self._diagnostics = Diagnostics(self, self._types)
        # Simulated time may stand still, or not have begun.
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._every(DIAGNOSTICS_PERIOD, self._publish_diagnostics)
        self._every(LATECOMER_PERIOD, self._include_latecomers)
        self._every(LATE_SUBSCRIBER_PERIOD, self._publish_pending)
        guard_change_state(self)
        if self.declare_parameter("autostart", False, AUTOSTART).value:
            self._start_timer = self._every(0.0, self._start)

    def _every(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call a callback periodically, by wall time."""
        return self.create_timer(seconds, callback, clock=self._steady_clock)

    def _start(self) -> None:
        """Configure and activate; a failure is on /diagnostics."""
        self.destroy_timer(self._start_timer)
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    @_reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model; fails, and says why, where it cannot."""
        settings = self._scene_parameters.settings
        log = self.get_logger()
        try:
            completer = OutOfMemoryFallback(
                lambda device: self._load(settings.model_config(device)),
                settings.device,
                log.warning,
            )
            self._scene_publishers = Publishers(
                self, self._types, settings, partial(self._reject, RejectReason.OUTPUT)
            )
        except Exception as error:  # whatever fails, the node stays unconfigured and reports it
            self._failure = f"cannot configure: {' '.join(str(error).split())}"
            if isinstance(error, ModuleNotFoundError):
                self._failure += "; activate the Python environment that has it, then launch"
            log.error(self._failure)
            return FAILURE
        self._failure = ""
        self.session = SceneSession(settings, completer, log.warning)
        self._scene_services = Services(
            self, self._types, lambda: self._worker, self.session, self._publish
        )
        self._planning = PlanningOutputs(
            self, self._types, self._scene_publishers, self._reject_planning_scene
        )
        log.info(f"model {settings.model} loaded")
        return SUCCESS

    @_reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and begin to complete."""
        settings = self._scene_parameters.settings
        self._decoder = MessageDecoder(settings, self._reject)
        try:
            self._scene_subscriptions = Subscriptions(self, self._types, settings, self._receive)
        except LookupError as error:
            self._failure = f"cannot activate: {error}"
            self.get_logger().error(self._failure)
            return FAILURE
        self._failure = ""
        super().on_activate(state)
        self._planning.start()
        self._worker = Worker(self.session, self._now_ns, self._publish, self.get_logger().error)
        self._poll_timer = self._every(POLL_PERIOD, self._poll)
        return SUCCESS

    @_reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and unsubscribe; keep the published scene."""
        self._stop()
        # From now on the middleware alone serves late subscribers.
        self._publish_pending(at_once=True)
        return super().on_deactivate(state)

    @_reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        self._release()
        return SUCCESS

    @_reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop, and free the model."""
        self._is_shut_down = True
        self._stop()
        self._release()
        return SUCCESS

    @_reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop, free the model, and go back to unconfigured."""
        self._stop()
        self._release()
        return SUCCESS

    def destroy_node(self) -> None:
        """Shut down, unless a client of the lifecycle has done so, and destroy the node."""
        if not self._is_shut_down:
            self.trigger_shutdown()
        super().destroy_node()

    def _stop(self) -> None:
        if self._scene_subscriptions is not None:
            self._scene_subscriptions.destroy()
            self._scene_subscriptions = None
        if self._poll_timer is not None:
            self.destroy_timer(self._poll_timer)
            self._poll_timer = None
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        if self._planning is not None:
            self._planning.stop()

    def _release(self) -> None:
        if self.session is None:
            return
        self._scene_services.destroy()
        self._scene_publishers.destroy()
        self._planning.destroy()
        self.session = self._planning = self._scene_services = self._scene_publishers = None
        gc.collect()
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _publish(self, update: SceneUpdate, check: Callable[[], None] = lambda: None) -> None:
        """Publish an update; what takes long follows later, from another thread."""
        self._scene_publishers.publish(update, check)
        check()
        self._planning.publish(update)

    def _publish_pending(self, at_once: bool = False) -> None:
        """Publish latched messages for late subscribers."""
        if self._scene_publishers is not None:
            self._scene_publishers.publish_pending(at_once)

    def _apply(self, settings: Settings) -> None:
        """Apply settings that were changed while running."""
        if self.session is not None:
            self.session.settings = self._scene_publishers.encoder.settings = settings
        if self._worker is not None:
            self._decoder.settings = settings
            self._worker.settings_changed()

    def _receive(self, key: str, message: Any) -> None:
        now = self._now_ns()
        try:
            items = self._decoder.decode(key, message)
        except Exception as error:  # a fault of the decoder must not end the node
            self._reject(RejectReason.MALFORMED, f"{key}: {type(error).__name__}: {error}")
            return
        for item in items:
            self.session.add(item, now)
        self._poll()

    def _poll(self) -> None:
        if self.session.poll(self._now_ns()) and self._worker is not None:
            self._worker.frame_ready()

    def _reject(self, reason: RejectReason, message: str) -> None:
        self.session.reject(reason, message, self._now_ns())

    def _reject_planning_scene(self, line: str) -> None:
        if self.session is not None:
            self._reject(RejectReason.PLANNING_SCENE, line)

    def _include_latecomers(self) -> None:
        """Subscribe to a latched calibration; send the current scene to MoveIt."""
        if self._scene_subscriptions is not None:
            self._scene_subscriptions.add_latched()
        session, planning = self.session, self._planning
        if self._worker is None or not planning.has_new_moveit:
            return

        def publish() -> None:
            if (update := session.update) is not None:
                planning.publish(update)

        # In the thread that publishes all others: an older update must not follow a newer one.
        self._worker.submit(publish)

    def _publish_diagnostics(self) -> None:
        if self._failure:
            status = Status("error", self._failure)
        elif self.session is None:
            status = Status("warn", "not configured")
        elif self._worker is None:
            status = Status("warn", "not active")
        else:
            status = self.session.status(self._now_ns())
            status = with_advice(status, self._scene_subscriptions.wrong_types)
        self._diagnostics.publish(status, self._scene_parameters.settings)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def _load_completer(config: ModelConfig) -> Completer:
    from iscene_ros.completion.scene_completer import SceneCompleter

    return SceneCompleter.from_config(config)
