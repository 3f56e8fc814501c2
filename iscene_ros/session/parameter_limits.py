"""Description, type and range of a parameter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from iscene_ros.core.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Description and range of a parameter.

    Attributes:
        description: one sentence with the unit.
        low, high: inclusive range of a number.
        choices: allowed texts; empty = any.
        live: takes effect while the node runs; others need a cleanup and a new configure.
    """

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False

    def check(self, name: str, value: Any, hint: Any) -> None:
        """Check a value of the parameter `name`, which has the type annotation `hint`.

        Raises:
            InputError: wrong type or out of range; names the parameter.
        """
        kind = tuple if hint == tuple[str, ...] else hint
        numeric_bool = isinstance(value, bool) and kind is not bool
        if not isinstance(value, kind) or numeric_bool:
            raise InputError(f"parameter {name}: {value!r}, expected {kind.__name__}")
        if kind is tuple and not all(isinstance(entry, str) for entry in value):
            raise InputError(f"parameter {name}: {value!r}, expected a list of texts")
        if self.choices and value not in self.choices:
            raise InputError(
                f"parameter {name}: {value!r}, expected one of {', '.join(self.choices)}"
            )
        if self.low is not None and not self.low <= value <= self.high:
            raise InputError(f"parameter {name}: {value}, expected {self.low} to {self.high}")


def setting(default: Any, description: str, **limits: Any) -> Any:
    """Return a dataclass field with a default and `Limits`."""
    return field(default=default, metadata={"limits": Limits(description, **limits)})


def check_frame(name: str, frame: str) -> None:
    """Check that the parameter `name` is a frame of TF.

    Raises:
        InputError: it is empty or begins with a slash.
    """
    if not frame or frame.startswith("/"):
        raise InputError(
            f"parameter {name}: {frame!r}, expected the name of a TF frame without leading slash"
        )


def plain_value(value: Any) -> Any:
    """Return a value as it is kept: lists as tuples."""
    if not isinstance(value, (list, tuple)):
        return value
    # An empty list has no type in ROS; [""] stands for it.
    return () if list(value) == [""] else tuple(value)
