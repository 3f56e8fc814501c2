"""Calls of a node in another process."""

from __future__ import annotations

import time
from typing import Any

import rclpy
from rclpy.node import Node

# rmw_fastrtps drops an answer when the service has not discovered the client within 0.1 s
# ("failed to send response (timeout)"), as happens to new clients on a busy machine.
RESEND_AFTER = 10.0


def call(node: Node, name: str, kind: type, patience: float) -> Any:
    """Call a service and return its answer; the request is sent again where no answer comes.

    Args:
        node: spins until the answer is there.
        name: of the service.
        kind: its type; the request has the default values.
        patience: at most this long [s].
    """
    client = node.create_client(kind, name)
    try:
        assert client.wait_for_service(patience), name
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            future = client.call_async(kind.Request())
            rclpy.spin_until_future_complete(node, future, timeout_sec=RESEND_AFTER)
            if future.done():
                return future.result()
        raise AssertionError(f"{name}: no answer in {patience} s")
    finally:
        node.destroy_client(client)
