"""Parameters as a dataclass: its fields have descriptions, types and ranges, which are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, TypeVar, get_type_hints

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


@dataclass(frozen=True)
class Parameters:
    """Base of a frozen dataclass whose fields are made by `setting`.

    Raises:
        InputError: a wrong type, or a value out of range; names the parameter.
    """

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            limits_of(type(self), name).check(parameter_name(name), value, _hints(type(self))[name])

    @classmethod
    def from_mapping(cls: type[Made], values: Mapping[str, Any]) -> Made:
        """Return parameters by their ROS names ("topics.rgb"); what is absent keeps its default.

        Raises:
            InputError: an unknown name, a wrong type, a value out of range.
        """
        return cls().changed(values)

    def changed(self: Made, values: Mapping[str, Any]) -> Made:
        """Return these parameters with some replaced; names and errors as in `from_mapping`."""
        by_name = {parameter_name(f.name): f.name for f in fields(self)}
        unknown = sorted(set(values) - set(by_name))
        if unknown:
            raise InputError(f"parameter {unknown[0]}: unknown; see config/scene.yaml")
        made = {by_name[name]: _plain_value(value) for name, value in values.items()}
        for name, value in made.items():
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            if is_whole and _hints(type(self))[name] is float:
                made[name] = float(value)
        return replace(self, **made)


Made = TypeVar("Made", bound=Parameters)


def parameter_name(field_name: str) -> str:
    """Return the ROS name of a field: topics_rgb is topics.rgb, other names stay."""
    return field_name.replace("topics_", "topics.", 1)


def limits_of(kind: type[Parameters], field_name: str) -> Limits:
    """Return description and range of a field."""
    return next(f.metadata["limits"] for f in fields(kind) if f.name == field_name)


@cache
def _hints(kind: type[Parameters]) -> dict[str, Any]:
    return get_type_hints(kind)


def _plain_value(value: Any) -> Any:
    """Return a value as it is kept: lists as tuples."""
    if not isinstance(value, (list, tuple)):
        return value
    # An empty list has no type in ROS; [""] stands for it.
    return () if list(value) == [""] else tuple(value)
