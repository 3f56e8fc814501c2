"""The state of the node on /diagnostics, once a second of wall time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rclpy.node import Node
from rclpy.utilities import get_rmw_implementation_identifier

from iscene_ros.ros.encoder import encode_diagnostics
from iscene_ros.ros.messages import RclpyTypes
from iscene_ros.ros.topics import DIAGNOSTICS, DIAGNOSTICS_TYPE
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.settings import Settings
from iscene_ros.session.status import Status

PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
LATE_TF = (
    "large images may hold TF up in Fast DDS: set FASTRTPS_DEFAULT_PROFILES_FILE to "
    "config/fastdds.xml, for the camera's node, too (docs/ros.md, Speed and buffers)"
)


class Diagnostics:
    """Publishes a status under the full name of a node, so that namespaces are told apart.

    Args:
        node: publishes, in every state of its lifecycle.
        types: finds message classes and makes messages.
    """

    def __init__(self, node: Node, types: RclpyTypes) -> None:
        self._node, self._types = node, types
        kind = types.message_class(DIAGNOSTICS_TYPE)
        self._publisher = node.create_publisher(kind, DIAGNOSTICS, 10)

    def publish(self, status: Status, settings: Settings) -> None:
        """Publish a status, with the wall time where simulated time has not begun."""
        now = self._node.get_clock().now().nanoseconds
        if now == 0:
            line = "no time: use_sim_time is set, but nothing came on /clock yet"
            status, now = replace(status, level="warn", summary=line), time.time_ns()
        name = self._node.get_fully_qualified_name().lstrip("/")
        hardware = f"{Path(settings.model).name} on {settings.device}"
        self._publisher.publish(
            encode_diagnostics(self._types, status, f"{name}: scene", hardware, now)
        )


def with_advice(status: Status, wrong_types: Callable[[], list[str]]) -> Status:
    """Return the status of a session with what only ROS knows.

    Args:
        status: of the session.
        wrong_types: finds the input topics of another type, one line each.
    """
    if status.level != "warn":
        return status
    if lines := wrong_types():
        return replace(status, summary="; ".join([*lines, status.summary]))
    is_fast_dds = "fastrtps" in get_rmw_implementation_identifier()
    has_profile = any(os.environ.get(name) for name in PROFILES)
    if status.reason == RejectReason.LATE_TRANSFORM and is_fast_dds and not has_profile:
        return replace(status, summary=f"{status.summary}; {LATE_TF}")
    return status
