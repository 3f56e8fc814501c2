"""The lifecycle service ~/change_state of rclpy, for requests that do not fit the state, too."""

from __future__ import annotations

from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode


def guard_change_state(node: LifecycleNode) -> None:
    """Have a node answer success: false where rclpy raises, which would end the process."""
    service = next(s for s in node.services if s.srv_type is ChangeState)
    change_state = service.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change_state(request, response)
        except RuntimeError as error:  # what rclpy raises has no public name
            line = " ".join(str(error).split())
            node.get_logger().warning(f"transition {request.transition.id} refused: {line}")
            response.success = False
            return response

    service.callback = guarded
