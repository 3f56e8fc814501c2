"""Writes bags of ROS 2 without ROS; a bag appears complete or not at all."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from iscene_ros.core.atomic_files import temporary_sibling
from iscene_ros.core.errors import InputError

STORAGES = {".mcap": "mcap", ".db3": "sqlite3"}
DEFAULT_STORAGE = "mcap"
# The version of the metadata that Humble and everything newer reads.
METADATA_VERSION = 8
DEPTH = 10
LATCHED_DEPTH = 1


class BagWriter:
    """Appends messages to an open bag; see `new_bag`."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._connections: dict[str, Any] = {}

    def write(
        self,
        topic: str,
        type_name: str,
        data: bytes,
        log_ns: int,
        typestore: Any,
        qos: Sequence[Any],
    ) -> None:
        """Append one message of CDR bytes that was sent at `log_ns` [ns].

        The typestore of rosbags and the QoS profiles (see `offered_qos`) are those of a topic's
        first message.
        """
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, type_name, typestore=typestore, offered_qos_profiles=list(qos)
            )
        self._writer.write(self._connections[topic], log_ns, data)

    @property
    def topics(self) -> list[str]:
        """Names of the topics that have a message."""
        return sorted(self._connections)


def offered_qos(latched: bool) -> list[Any]:
    """Return the QoS of a publisher: reliable; latched = transient local and of depth 1."""
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )

    forever = QosTime(0, 0)
    return [
        Qos(
            history=QosHistory.KEEP_LAST,
            depth=LATCHED_DEPTH if latched else DEPTH,
            reliability=QosReliability.RELIABLE,
            durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
            deadline=forever,
            lifespan=forever,
            liveliness=QosLiveliness.AUTOMATIC,
            liveliness_lease_duration=forever,
            avoid_ros_namespace_conventions=False,
        )
    ]


def storage_of(out: Path, storage: str | None) -> str:
    """Return the storage of a new bag: the requested one, else that of its name.

    Raises:
        InputError: the two disagree.
    """
    named = STORAGES.get(out.suffix)
    if storage and named and storage != named:
        raise InputError(f"{out}: ends in {out.suffix}, but --storage is {storage}; drop one")
    return storage or named or DEFAULT_STORAGE


@contextmanager
def new_bag(out: Path, storage: str) -> Iterator[BagWriter]:
    """Open a bag to fill; it is at `out` when the block ends well, and nothing is when it fails.

    Args:
        out: a folder as of `ros2 bag record`; or one file where the name ends in .mcap or .db3.
        storage: "mcap" (compressed) or "sqlite3".

    Raises:
        InputError: `out` exists or cannot be written.
    """
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    if out.exists() or out.is_symlink():
        raise InputError(f"{out}: exists; choose another --out or remove it")
    target = out.resolve()
    with ExitStack() as stack:
        try:
            temporary = stack.enter_context(temporary_sibling(target))
        except OSError as error:
            raise InputError(f"{out}: cannot be written ({error.strerror})") from error
        plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
        writer = Writer(temporary / target.name, version=METADATA_VERSION, storage_plugin=plugin)
        if storage == "mcap":
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        writer.open()
        try:
            yield BagWriter(writer)
        except BaseException:
            writer.abort()
            raise
        with uninterrupted():
            writer.close()
            made = temporary / target.name
            if target.suffix in STORAGES:
                made = next(made.glob(f"*{target.suffix}"))
            os.rename(made, target)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C to the end of the block, so that no half-written message stays behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts = []
    before = signal.signal(signal.SIGINT, lambda *_: interrupts.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)
    if interrupts:
        raise KeyboardInterrupt
