"""How a session is doing, as diagnostic_msgs/DiagnosticArray."""

from __future__ import annotations

from typing import Any

from iscene_ros.core.scene_update import Status
from iscene_ros.ros.messages import MessageTypes

DIAGNOSTICS_TYPE = "diagnostic_msgs/msg/DiagnosticArray"
STATUS_TYPE = "diagnostic_msgs/msg/DiagnosticStatus"
# diagnostic_msgs/DiagnosticStatus: OK, WARN, ERROR.
LEVELS = {"ok": 0, "warn": 1, "error": 2}


def encode_diagnostics(
    types: MessageTypes, status: Status, name: str, hardware_id: str, stamp_ns: int
) -> Any:
    """A diagnostic_msgs/DiagnosticArray with one status.

    Args:
        types: whose messages.
        status: what to tell.
        name: "<node>: <what>", as aggregators expect it.
        hardware_id: the device that the model runs on.
        stamp_ns: now [ns].
    """
    values = [
        types.make("diagnostic_msgs/msg/KeyValue", key=key, value=value)
        for key, value in status.values
    ]
    told = types.make(
        STATUS_TYPE,
        level=types.byte(LEVELS[status.level]),
        message=status.summary,
        hardware_id=hardware_id,
        values=values,
    )
    told.name = name  # `make` calls the type so
    return types.make(DIAGNOSTICS_TYPE, header=types.header(stamp_ns, ""), status=[told])
