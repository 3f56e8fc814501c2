"""The executables of the package; rclpy and the nodes are imported when they run."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from iscene_ros.core.errors import InputError

# Exit status where ROS is not installed, or a parameter is wrong.
FAILURE = 2
# Exit status of a process that ended before its node was made, or could not end in time: that of a
# shell for Ctrl-C.
INTERRUPTED = 130
# Time for a clean end [s], after which the process ends as it is.
LIMIT = 1.2
# Period of the check for signals while no callback runs [s].
SIGNAL_PERIOD = 0.2
_HINT = "expected arguments of ROS, and parameter files that exist and look as config/scene.yaml"


class Termination:
    """Takes SIGINT and SIGTERM from its creation on; create it in the main thread.

    A thread of its own watches over the end, as the main thread may be in the middle of an import
    or of loading a model. Python raises KeyboardInterrupt anywhere, which some imports swallow and
    others print.

    Attributes:
        requested: whether a signal came.
        limit: time that the process then has for a clean end [s]; at first none.
    """

    def __init__(self) -> None:
        self.requested = False
        self.limit = 0.0
        self._reading, writing = os.pipe()
        os.set_blocking(writing, False)
        # From C, at once, whatever the main thread does; it needs a handler of Python.
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._request)
        threading.Thread(target=self._watch, name="termination", daemon=True).start()

    def _request(self, number: int, frame: object) -> None:
        self.requested = True

    def _watch(self) -> None:
        while os.read(self._reading, 1)[0] not in (signal.SIGINT, signal.SIGTERM):
            pass
        time.sleep(self.limit)
        os._exit(INTERRUPTED)


def scene_node() -> int:
    """Run `ros2 run iscene_ros scene_node` until it is shut down."""
    return _run("scene_node", "iscene_ros.ros.node", "SceneNode")


def replay_node() -> int:
    """Run `ros2 run iscene_ros replay_node` until it is shut down."""
    return _run("replay_node", "iscene_ros.ros.replay_node", "ReplayNode")


def _run(executable: str, module: str, class_name: str) -> int:
    termination = Termination()
    try:
        make_node = getattr(importlib.import_module(module), class_name)
    except ModuleNotFoundError as error:
        return _failed(
            executable,
            f"{error.name} is not installed; source /opt/ros/<distribution>/setup.bash first, or "
            "use iscene bag, which needs no ROS",
        )
    termination.limit = LIMIT
    return _spin(executable, make_node, termination)


def _spin(executable: str, make_node: Callable[[], Any], termination: Termination) -> int:
    """Spin a node until SIGINT or SIGTERM, then destroy it and end the process."""
    import rclpy
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    try:
        # rclpy's handlers end the context, without which a lifecycle node cannot be shut down.
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # what rclpy raises has no public name
        return _failed(executable, f"{error}; {_HINT}")
    try:
        node = make_node()
    except (InputError, InvalidParameterTypeException, InvalidParameterValueException) as error:
        rclpy.try_shutdown()
        return _failed(executable, str(error))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not termination.requested:
        _spin_once(executor, node)
    node.destroy_node()
    rclpy.try_shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # A model that is still at work in its thread cannot be stopped in any other way.
    os._exit(0)


def _spin_once(executor: Any, node: Any) -> None:
    """Run what is ready; a callback that raises does not end the node."""
    try:
        executor.spin_once(timeout_sec=SIGNAL_PERIOD)
    except Exception:
        node.get_logger().error(f"a callback failed: {traceback.format_exc()}")


def _failed(executable: str, line: str) -> int:
    print(f"{executable}: error: {' '.join(line.split())}", file=sys.stderr)
    return FAILURE
