"""Reads bags of ROS 2 (mcap, sqlite3) and ROS 1, and their time, without ROS."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iscene_ros.core.errors import InputError
from iscene_ros.core.stamps import SECOND

# Beyond this, recorder and camera went by different clocks (simulated time, converted data sets);
# below, it is the delay of the camera or the segmentation.
SAME_CLOCK_NS = 60 * SECOND
# Offsets of stamps from times of recording that are looked at.
PROBED_STAMPS = 100
# Old names of types that are laid out alike.
_ALIASES = {"tf/msg/tfMessage": "tf2_msgs/msg/TFMessage"}
# Packages whose messages ROS 1 and ROS 2 lay out alike; only names of fields differ.
_ALIKE = ("geometry_msgs", "nav_msgs", "sensor_msgs", "std_msgs", "tf2_msgs")


@dataclass(frozen=True)
class BagMessage:
    """One message as it was recorded.

    Attributes:
        topic, type_name: as "/rgb" and "sensor_msgs/msg/Image".
        log_ns: when it was recorded [ns].
        data: its bytes.
        typestore: typestore of rosbags with the type.
        ros1: whether `data` is serialized as in ROS 1 instead of CDR.
    """

    topic: str
    type_name: str
    log_ns: int
    data: bytes
    typestore: Any
    ros1: bool

    def decode(self) -> Any:
        """Return the message.

        Raises:
            InputError: it is damaged.
        """
        try:
            return self.typestore.deserialize_cdr(self.cdr(), self.type_name)
        except Exception as error:  # rosbags has no error of its own for broken bytes
            kind = type(error).__name__
            raise InputError(f"{self.topic}: {kind} ({error}); the message is damaged") from error

    def cdr(self) -> bytes:
        """Return its CDR bytes."""
        if self.ros1:
            return bytes(self.typestore.ros1_to_cdr(self.data, self.type_name))
        return self.data


class BagReader:
    """An open bag; a context manager.

    Types come from the definitions in the bag, else from this package.

    Args:
        path: a folder with metadata.yaml, a .mcap, a .db3 or (ROS 1) a .bag.

    Raises:
        InputError: there is no bag, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ros1 = path.suffix == ".bag" and path.is_file()
        self._typestores: dict[str, Any] = {}
        _check_kind(path)
        with self._readable():
            if self._ros1:
                from rosbags.rosbag1 import Reader
            else:
                from rosbags.rosbag2 import Reader
            self._reader = Reader(path)
            self._reader.open()
        self.topics: dict[str, str] = {c.topic: _type(c) for c in self._reader.connections}

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def count(self, topics: Collection[str]) -> int:
        """Return the number of messages of some topics."""
        return sum(connection.msgcount for connection in self._connections(topics))

    def qos(self, topic: str) -> list[Any]:
        """Return the QoS with which a topic was offered, as rosbags has it; empty where unknown."""
        profiles = (getattr(c.ext, "offered_qos_profiles", []) for c in self._connections([topic]))
        return list(next(profiles, []))

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """Yield the messages of some topics in the order in which they were recorded.

        Raises:
            InputError: the bag is damaged.
        """
        connections = self._connections(topics)
        if not connections:
            return
        with self._readable():
            for connection in connections:
                self._typestore(connection)
            for connection, log_ns, data in self._reader.messages(connections=connections):
                yield BagMessage(
                    connection.topic,
                    _type(connection),
                    log_ns,
                    bytes(data),
                    self._typestore(connection),
                    self._ros1,
                )

    def _connections(self, topics: Collection[str]) -> list[Any]:
        # Where publishers of one topic disagree on its type, one type is read.
        return [
            c
            for c in self._reader.connections
            if c.topic in topics and _type(c) == self.topics[c.topic]
        ]

    def _typestore(self, connection: Any) -> Any:
        from iscene_ros.ros.messages import make_typestore

        type_name = _type(connection)
        if self._ros1 and type_name.split("/")[0] not in _ALIKE:
            raise InputError(
                f"{self.path}: {connection.topic} holds {type_name} of ROS 1, which ROS 2 lays out "
                "otherwise; do without this topic"
            )
        if type_name not in self._typestores:
            is_alias = type_name != connection.msgtype
            recorded = None if self._ros1 or is_alias else _recorded_types(connection)
            self._typestores[type_name] = recorded or make_typestore()
        return self._typestores[type_name]

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn the errors of rosbags about a broken file into InputError."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            detail = " ".join(str(error).split())
            raise InputError(
                f"{self.path}: not a readable bag ({type(error).__name__}: {detail}); if a "
                "recording was cut off, mend it with `ros2 bag reindex` or `mcap recover`"
            ) from error


def _type(connection: Any) -> str:
    """Return the type of a connection by its present name."""
    return _ALIASES.get(connection.msgtype, connection.msgtype)


def _check_kind(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such bag; name a folder with metadata.yaml, .mcap or .db3")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        raise InputError(
            f"{path}: no metadata.yaml in this folder; name the .mcap or .db3 itself, or run "
            "`ros2 bag reindex`"
        )
    if path.is_file() and path.suffix not in (".mcap", ".db3", ".bag"):
        raise InputError(f"{path}: not a bag; expected a folder, .mcap, .db3 or (ROS 1) .bag")


def _recorded_types(connection: Any) -> Any:
    """Return a typestore of the definitions in the bag for a topic; None where there is none."""
    from rosbags.interfaces import MessageDefinitionFormat
    from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

    definition = connection.msgdef
    if definition.format == MessageDefinitionFormat.NONE:
        return None
    if definition.format == MessageDefinitionFormat.MSG:
        types = get_types_from_msg(definition.data, connection.msgtype)
    else:
        types = {}
        for text in definition.data.split(f"{'=' * 80}\n"):
            # Each of several parts begins with a line "IDL: package/msg/Type".
            idl = text.partition("\n")[2] if text.startswith("IDL: ") else text
            types |= get_types_from_idl(idl) if idl.strip() else {}
    typestore = get_typestore(Stores.EMPTY)
    typestore.register(types)
    return typestore


class BagClock:
    """Current time of a bag by the clock of the stamps, derived from the times of recording.

    `stamped` are topics whose messages have a header.

    Attributes:
        log_ns: time of recording of the newest message [ns].
        now_ns: the same time by the clock of the stamps [ns].
    """

    def __init__(self, reader: BagReader, stamped: Collection[str]) -> None:
        self._offset_ns = _offset(reader, stamped)
        self.log_ns = 0
        self.now_ns = 0

    def advance(self, log_ns: int) -> None:
        """Set the time to that at which a message was recorded [ns]."""
        self.log_ns = log_ns
        self.now_ns = log_ns + self._offset_ns

    def wait(self, duration_ns: int) -> None:
        """Advance the time after the last message by a duration [ns]."""
        self.now_ns += duration_ns


def _offset(reader: BagReader, stamped: Collection[str]) -> int:
    """Return the offset of the stamps' clock from that of the recorder [ns]; 0 if it is the same.

    It is the median of many, since single stamps may be old (latched messages) or damaged.
    """
    offsets: list[int] = []
    with suppress(InputError):  # damage is reported when the driver comes to it
        for message in reader.messages(stamped):
            with suppress(InputError):
                stamp = message.decode().header.stamp
                if stamp.sec or stamp.nanosec:
                    offsets.append(stamp.sec * SECOND + stamp.nanosec - message.log_ns)
            if len(offsets) == PROBED_STAMPS:
                break
    offset = sorted(offsets)[len(offsets) // 2] if offsets else 0
    return offset if abs(offset) > SAME_CLOCK_NS else 0
