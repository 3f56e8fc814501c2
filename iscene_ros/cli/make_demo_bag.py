"""`iscene make-demo-bag`: the real robot frame as a bag."""

from __future__ import annotations

import argparse
from pathlib import Path

from iscene_ros.cli.bag import add_storage_argument, check_rosbags, positive

# Messages of one frame lie a millisecond apart; at this rate frames still do not overlap.
FASTEST = 100.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene make-demo-bag`."""
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="new bag: a folder, or a file NAME.mcap or NAME.db3"
    )
    parser.add_argument(
        "--frames", type=positive, default=10, metavar="N", help="frames (default: %(default)s)"
    )
    parser.add_argument(
        "--rate", type=_rate, default=5.0, metavar="HZ", help="frames a second (default: 5)"
    )
    add_storage_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the demo bag."""
    check_rosbags()
    from iscene_ros.bag.demo_bag import write_demo_bag
    from iscene_ros.bag.writing import new_bag, storage_of

    with new_bag(args.out, storage_of(args.out, args.storage)) as writer:
        write_demo_bag(writer, args.frames, args.rate)
    print(f"written to {args.out}: {', '.join(writer.topics)}")
    print(f"next: iscene bag {args.out} --out NEW_BAG --set detections=vision_msgs")
    return 0


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= FASTEST:
        expected = f"frames a second, more than 0 and at most {FASTEST:g}"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return rate
