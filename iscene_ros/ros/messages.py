"""Messages of either implementation: the classes of rclpy, or the dataclasses of rosbags.

Both have the same attributes; construction, types of arrays and serialization differ, which
`MessageTypes` hides from the encoders.
"""

from __future__ import annotations

import array
from abc import ABC, abstractmethod
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from iscene_ros.core.stamps import SECOND

DEFINITIONS = Path(__file__).with_name("definitions")


class MessageTypes(ABC):
    """Makes, reads and writes messages by the names of their types, as "std_msgs/msg/String"."""

    @abstractmethod
    def make(self, type_name: str, /, **values: Any) -> Any:
        """Return a message; fields that are not given are zero or empty.

        Raises:
            LookupError: the type is not installed.
        """

    @abstractmethod
    def byte_array(self, values: np.ndarray) -> Any:
        """Return the value of a uint8[] field, from the bytes of an array of any dtype."""

    @abstractmethod
    def doubles(self, values: np.ndarray) -> Any:
        """Return the value of a float64[] field."""

    @abstractmethod
    def byte(self, number: int) -> Any:
        """Return the value of a byte field."""

    @abstractmethod
    def serialize(self, name: str, message: Any) -> bytes:
        """Return the CDR bytes of a message, with the 4 bytes of encapsulation."""

    @abstractmethod
    def deserialize(self, name: str, data: bytes) -> Any:
        """Return the message of CDR bytes."""

    def stamp(self, stamp_ns: int) -> Any:
        """Return a builtin_interfaces/msg/Time of nanoseconds."""
        seconds, nanoseconds = divmod(int(stamp_ns), SECOND)
        return self.make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """Return a std_msgs/msg/Header."""
        return self.make("std_msgs/msg/Header", stamp=self.stamp(stamp_ns), frame_id=frame_id)


class RclpyTypes(MessageTypes):
    """The classes of an installed ROS."""

    def __init__(self) -> None:
        self._classes: dict[str, type] = {}

    def make(self, type_name: str, /, **values: Any) -> Any:
        return self.message_class(type_name)(**values)

    def message_class(self, name: str) -> type:
        """Return the class of a message or service type, such as "std_srvs/srv/Trigger".

        Raises:
            LookupError: its package is not installed.
        """
        if name not in self._classes:
            package, kind, type_name = name.split("/")
            try:
                self._classes[name] = getattr(import_module(f"{package}.{kind}"), type_name)
            except (ImportError, AttributeError) as error:
                raise LookupError(
                    f"message type {name} is not installed: apt install ros-<distribution>-"
                    f"{package.replace('_', '-')}"
                ) from error
        return self._classes[name]

    def byte_array(self, values: np.ndarray) -> array.array:
        """See `MessageTypes.byte_array`; rclpy checks any other type element by element."""
        made = array.array("B")
        made.frombytes(memoryview(np.ascontiguousarray(values)).cast("B"))
        return made

    def doubles(self, values: np.ndarray) -> array.array:
        return array.array("d", np.asarray(values, np.float64))

    def byte(self, number: int) -> bytes:
        return bytes([number])

    def serialize(self, name: str, message: Any) -> bytes:
        from rclpy.serialization import serialize_message

        return serialize_message(message)

    def deserialize(self, name: str, data: bytes) -> Any:
        from rclpy.serialization import deserialize_message

        return deserialize_message(data, self.message_class(name))


class RosbagsTypes(MessageTypes):
    """The dataclasses of rosbags; no ROS needed."""

    def __init__(self) -> None:
        self.typestore = make_typestore()

    def make(self, type_name: str, /, **values: Any) -> Any:
        if type_name not in self.typestore.fielddefs:
            raise LookupError(f"message type {type_name} is not registered")
        _, fields = self.typestore.fielddefs[type_name]
        unknown = set(values) - {field for field, _ in fields}
        if unknown:
            raise AttributeError(f"{type_name} has no field {sorted(unknown)[0]}")
        complete = {
            field: values[field] if field in values else self._default(description)
            for field, description in fields
        }
        return self.typestore.types[type_name](**complete)

    def byte_array(self, values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values).reshape(-1).view(np.uint8)

    def doubles(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(values, np.float64)

    def byte(self, number: int) -> int:
        return number

    def serialize(self, name: str, message: Any) -> bytes:
        return bytes(self.typestore.serialize_cdr(message, name))

    def deserialize(self, name: str, data: bytes) -> Any:
        return self.typestore.deserialize_cdr(data, name)

    def _default(self, description: tuple) -> Any:
        from rosbags.interfaces import Nodetype

        kind, detail = description
        if kind == Nodetype.NAME:
            return self.make(detail)
        if kind == Nodetype.BASE:
            base = detail[0]
            zeros = {"string": "", "bool": False, "float32": 0.0, "float64": 0.0}
            return zeros.get(base, 0)
        (element_kind, element), count = detail
        count = count if kind == Nodetype.ARRAY else 0
        if element_kind == Nodetype.BASE and element[0] != "string":
            return np.zeros(count, _DTYPES.get(element[0], element[0]))
        return [self._default((element_kind, element)) for _ in range(count)]


_DTYPES = {"octet": "uint8", "char": "uint8", "byte": "uint8"}


@lru_cache(maxsize=1)
def make_typestore() -> Any:
    """Return the types of ROS 2 Jazzy and of definitions/<package>/msg/<Type>.msg."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    typestore = get_typestore(Stores.ROS2_JAZZY)
    lacking = {}
    for path in sorted(DEFINITIONS.glob("*/msg/*.msg")):
        name = f"{path.parts[-3]}/msg/{path.stem}"
        if name not in typestore.fielddefs:
            lacking |= get_types_from_msg(path.read_text("utf-8"), name)
    typestore.register(lacking)
    return typestore
