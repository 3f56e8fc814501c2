"""The settings as ROS parameters: declared with descriptors, validated, changed while running."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from iscene_ros.core.errors import InputError
from iscene_ros.session.parameters import Limits, limits_of, parameter_name
from iscene_ros.session.settings import Settings


class Parameters:
    """Declares every setting on a node and keeps `settings` up to date.

    While `is_running`, only settings that may change live can be changed; `changed` takes the new
    ones.

    Raises:
        InputError: an override has a wrong type or is out of range.
    """

    def __init__(
        self,
        node: Node,
        is_running: Callable[[], bool],
        changed: Callable[[Settings], None],
    ) -> None:
        self._is_running, self._changed = is_running, changed
        self._names = {parameter_name(f.name): f for f in fields(Settings)}
        values = {name: _declare(node, name, f.default) for name, f in self._names.items()}
        self._namespace = node.get_namespace().strip("/")
        self.settings = self._prefixed(Settings.from_mapping(values))
        node.add_on_set_parameters_callback(self._check)
        self._applies_after = hasattr(node, "add_post_set_parameters_callback")
        if self._applies_after:  # from Iron on
            node.add_post_set_parameters_callback(self._apply)

    def _check(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        ours = [p for p in parameters if p.name in self._names]
        fixed = [p.name for p in ours if not limits_of(Settings, self._names[p.name].name).live]
        if fixed and self._is_running():
            reason = f"{fixed[0]} takes effect at configure: clean the node up first"
            return SetParametersResult(successful=False, reason=reason)
        try:
            self.settings.changed(_values(ours))
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if not self._applies_after:
            self._apply(parameters)
        return SetParametersResult(successful=True)

    def _apply(self, parameters: Sequence[Parameter]) -> None:
        ours = [p for p in parameters if p.name in self._names]
        if ours:
            self.settings = self._prefixed(self.settings.changed(_values(ours)))
            self._changed(self.settings)

    def _prefixed(self, settings: Settings) -> Settings:
        """Return settings whose TF names differ from those of nodes in other namespaces."""
        if settings.frame_prefix or not self._namespace:
            return settings
        return replace(settings, frame_prefix=f"{self._namespace}/")


def _values(parameters: Sequence[Parameter]) -> dict[str, Any]:
    return {p.name: p.value for p in parameters}


def _declare(node: Node, name: str, default: Any) -> Any:
    descriptor = _descriptor(default, limits_of(Settings, name.replace(".", "_")))
    # [""] is how ROS writes an empty list of texts.
    value = (list(default) or [""]) if isinstance(default, tuple) else default
    declared = node.declare_parameter(name, value, descriptor).value
    # What a file gives as [] has no type, and so no value.
    return () if declared is None and isinstance(default, tuple) else declared


def _descriptor(default: Any, limits: Limits) -> ParameterDescriptor:
    when = "" if limits.live else "Takes effect at configure."
    choices = f"one of: {', '.join(limits.choices)}. " if limits.choices else ""
    descriptor = ParameterDescriptor(
        description=limits.description, additional_constraints=f"{choices}{when}".strip()
    )
    if limits.low is not None and isinstance(default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(limits.low), to_value=float(limits.high))
        ]
    elif limits.low is not None:
        descriptor.integer_range = [
            IntegerRange(from_value=int(limits.low), to_value=int(limits.high), step=1)
        ]
    return descriptor
