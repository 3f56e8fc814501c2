"""Bags to read, and what is in a bag that was written."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fake_completer import FakeCompleter

from iscene_ros.bag.reading import BagMessage, BagReader
from iscene_ros.bag.writing import new_bag, offered_qos
from iscene_ros.cli import bag as command
from iscene_ros.cli.completion_run import LoadCompleter
from iscene_ros.cli.main import exit_code
from iscene_ros.cli.make_demo_bag import write_demo_bag

DETECTED = ("--set", "detections=vision_msgs")
# For tests that do not look at every object.
QUICK = ("--set", "max_instances=2")


@dataclass(frozen=True)
class Recorded:
    """One message of a bag that was read back."""

    topic: str
    type_name: str
    log_ns: int
    data: bytes
    message: Any = field(repr=False, compare=False)


def make_demo(path: Path, frames: int = 3, rate: float = 5.0, storage: str = "mcap") -> Path:
    """A bag of the real frame."""
    with new_bag(path, storage) as writer:
        write_demo_bag(writer, frames, rate)
    return path


def run_bag(
    bag: Path, out: Path, *options: str, load: LoadCompleter = lambda *_: FakeCompleter()
) -> int:
    """`iscene bag BAG --out OUT OPTIONS`; its exit code."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args([str(bag), "--out", str(out), *options])
    return exit_code(lambda: command.run(args, load))


def contents(bag: Path) -> dict[str, list[Recorded]]:
    """The messages of a bag by topic, read by rosbags alone with the definitions in the bag."""
    from rosbags.highlevel import AnyReader

    found: dict[str, list[Recorded]] = {}
    with AnyReader([bag]) as reader:
        for connection, log_ns, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            recorded = Recorded(connection.topic, connection.msgtype, log_ns, bytes(data), message)
            found.setdefault(connection.topic, []).append(recorded)
    return found


def rewritten(
    source: Path, target: Path, change: Callable[[BagMessage], Iterable[BagMessage]]
) -> Path:
    """A copy of a bag with every message replaced by others; they are sorted by time."""
    with BagReader(source) as reader:
        messages = [new for old in reader.messages(reader.topics) for new in change(old)]
    with new_bag(target, "mcap") as writer:
        for m in sorted(messages, key=lambda message: message.log_ns):
            writer.write(m.topic, m.type_name, m.data, m.log_ns, m.typestore, offered_qos(False))
    return target


def stamp_ns(stamp: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time."""
    return stamp.sec * 10**9 + stamp.nanosec
