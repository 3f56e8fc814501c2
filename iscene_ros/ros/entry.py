"""The executables of the package; what they need is imported when they run."""

from __future__ import annotations

import importlib
import sys

NO_ROS = 2


def scene_node() -> int:
    """`ros2 run iscene_ros scene_node`."""
    return _run("scene_node", "iscene_ros.ros.main")


def replay_node() -> int:
    """`ros2 run iscene_ros replay_node`."""
    return _run("replay_node", "iscene_ros.ros.replay_node")


def _run(executable: str, module: str) -> int:
    try:
        main = importlib.import_module(module).main
    except ModuleNotFoundError as error:
        print(
            f"{executable}: error: {error.name} is not installed; source "
            "/opt/ros/<distribution>/setup.bash first, or use iscene bag, which needs no ROS",
            file=sys.stderr,
        )
        return NO_ROS
    return main()
