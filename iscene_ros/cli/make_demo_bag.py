"""`iscene make-demo-bag`: the real robot frame as a bag."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from iscene_ros.cli.arguments import positive_int
from iscene_ros.cli.bag import add_storage_argument

if TYPE_CHECKING:
    from iscene_ros.bag.writing import BagWriter

# Frames do not overlap up to this rate [1/s].
FASTEST = 100.0
# The messages of one frame are recorded one after the other.
MESSAGE_INTERVAL_NS = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene make-demo-bag`."""
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="new bag: a folder, or a file NAME.mcap or NAME.db3"
    )
    parser.add_argument(
        "--frames", type=positive_int, default=10, metavar="N", help="frames (default: %(default)s)"
    )
    parser.add_argument(
        "--rate", type=_rate, default=5.0, metavar="HZ", help="frames a second (default: 5)"
    )
    add_storage_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the demo bag."""
    import_module("rosbags")  # where the extra is missing, nothing has been written yet
    from iscene_ros.bag.writing import new_bag, storage_of

    with new_bag(args.out, storage_of(args.out, args.storage)) as writer:
        write_demo_bag(writer, args.frames, args.rate)
    print(f"written to {args.out}: {', '.join(writer.topics)}")
    print(f"next: iscene bag {args.out} --out NEW_BAG --set detections=vision_msgs")
    return 0


def write_demo_bag(writer: BagWriter, frames: int, rate: float) -> None:
    """Fill a bag with repetitions of the demo frame; the same arguments give the same messages.

    Args:
        writer: an empty bag.
        frames: number of repetitions.
        rate: frames a second [1/s].
    """
    from iscene_ros.bag.names import resolved
    from iscene_ros.bag.writing import offered_qos
    from iscene_ros.core.stamps import nanoseconds
    from iscene_ros.io.demo_frame import demo_frame
    from iscene_ros.ros.demo_messages import demo_messages
    from iscene_ros.ros.messages import RosbagsTypes

    types = RosbagsTypes()
    start_ns = nanoseconds(demo_frame().observation.stamp)
    for number in range(frames):
        stamp_ns = start_ns + nanoseconds(number / rate)
        for place, (topic, type_name, message, latched) in enumerate(
            demo_messages(types, stamp_ns)
        ):
            if latched and number:
                continue
            writer.write(
                resolved(topic),
                type_name,
                types.serialize(type_name, message),
                stamp_ns + place * MESSAGE_INTERVAL_NS,
                types.typestore,
                offered_qos(latched),
            )


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= FASTEST:
        expected = f"frames a second, more than 0 and at most {FASTEST:g}"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return rate
