"""`ros2 run iscene_ros scene_node`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from iscene_ros.core.errors import InputError
from iscene_ros.core.thread_waiting import wait_passively
from iscene_ros.ros.node import SceneNode

BAD_INPUT = 2


def main(args: Sequence[str] | None = None) -> int:
    """Spin the node until it is shut down; 2 = a parameter is wrong."""
    wait_passively()
    rclpy.init(args=args)
    try:
        node = SceneNode()
    except (InputError, InvalidParameterTypeException, InvalidParameterValueException) as error:
        print(f"scene_node: error: {' '.join(str(error).split())}", file=sys.stderr)
        rclpy.try_shutdown()
        return BAD_INPUT
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        # Terminal and launch both send one; the second must not cut the end short.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        node.on_shutdown(None)
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
