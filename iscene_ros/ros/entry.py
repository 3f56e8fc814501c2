"""The executables of the package; rclpy and the nodes are imported when they run."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from iscene_ros.core.errors import InputError
from iscene_ros.core.thread_waiting import wait_passively

# Exit status where ROS is not installed, or a parameter is wrong.
FAILURE = 2
# Period of the check for signals while no callback runs [s].
SIGNAL_PERIOD = 0.2


def scene_node() -> int:
    """Run `ros2 run iscene_ros scene_node` until it is shut down."""
    wait_passively()
    return _run("scene_node", "iscene_ros.ros.node", "SceneNode")


def replay_node() -> int:
    """Run `ros2 run iscene_ros replay_node` until it is shut down."""
    return _run("replay_node", "iscene_ros.ros.replay_node", "ReplayNode")


def _run(executable: str, module: str, class_name: str) -> int:
    try:
        make_node = getattr(importlib.import_module(module), class_name)
    except ModuleNotFoundError as error:
        print(
            f"{executable}: error: {error.name} is not installed; source "
            "/opt/ros/<distribution>/setup.bash first, or use iscene bag, which needs no ROS",
            file=sys.stderr,
        )
        return FAILURE
    return _spin(executable, make_node)


def _spin(executable: str, make_node: Callable[[], Any]) -> int:
    """Spin a node until SIGINT or SIGTERM, then destroy it."""
    import rclpy
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    # rclpy's handlers end the context, without which a lifecycle node cannot be shut down.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = make_node()
    except (InputError, InvalidParameterTypeException, InvalidParameterValueException) as error:
        print(f"{executable}: error: {' '.join(str(error).split())}", file=sys.stderr)
        rclpy.try_shutdown()
        return FAILURE
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not interrupted.is_set():
        executor.spin_once(timeout_sec=SIGNAL_PERIOD)
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    return 0
