"""`iscene bag`: every frame of a recorded bag, without ROS."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iscene_ros.cli.arguments import positive_int
from iscene_ros.cli.completion_run import LoadCompleter, load_completer
from iscene_ros.core.errors import InputError

if TYPE_CHECKING:
    from iscene_ros.bag.driver import BagCounts, BagDriver
    from iscene_ros.bag.writing import BagWriter
    from iscene_ros.session.session import SceneSession
    from iscene_ros.session.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene bag`."""
    parser.add_argument(
        "bag", type=Path, metavar="IN", help="folder, .mcap or .db3 of ROS 2, or .bag of ROS 1"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="new bag: a folder, or a file NAME.mcap or NAME.db3"
    )
    parser.add_argument(
        "--config", type=Path, metavar="YAML", help="parameters, as config/scene.yaml of the node"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one parameter, as detections=vision_msgs or topics.rgb=/camera/color/image_raw; can "
        "be given again",
    )
    parser.add_argument("--model", metavar="NAME_OR_PATH", help="the parameter model")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], help="the parameter device")
    parser.add_argument(
        "--inline", action="store_true", help="meshes inside ~/scene_graph: inline_meshes"
    )
    parser.add_argument(
        "--every",
        type=positive_int,
        default=1,
        metavar="N",
        help="complete every n-th frame (default: every one)",
    )
    parser.add_argument(
        "--keep-inputs", action="store_true", help="copy the messages that were read, too"
    )
    parser.add_argument(
        "--static-transform",
        action="append",
        default=[],
        nargs=9,
        metavar=("X", "Y", "Z", "QX", "QY", "QZ", "QW", "PARENT", "CHILD"),
        help="transform that the bag lacks, as of static_transform_publisher; can be given again",
    )
    parser.add_argument("--load-world", metavar="DIR", help="the parameter load_world")
    parser.add_argument(
        "--save-world", type=Path, metavar="DIR", help="new folder for the world at the end"
    )
    add_storage_argument(parser)


def add_storage_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument --storage."""
    parser.add_argument(
        "--storage", choices=["mcap", "sqlite3"], help="of the new bag (default: mcap)"
    )


def run(args: argparse.Namespace, load: LoadCompleter = load_completer) -> int:
    """Complete the frames of a bag."""
    import_module("rosbags")  # where the extra is missing, nothing has been read yet
    from iscene_ros.bag.driver import BagDriver
    from iscene_ros.bag.parameters import read_settings, static_transform
    from iscene_ros.bag.reading import BagReader
    from iscene_ros.bag.writing import new_bag, storage_of
    from iscene_ros.io.world_files import check_new, write_world

    named = {"model": args.model, "device": args.device, "load_world": args.load_world}
    values: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if args.inline:
        values["inline_meshes"] = True
    settings = read_settings(args.config, args.set).changed(values)
    if args.save_world is not None:
        check_new(args.save_world)
    storage = storage_of(args.out, args.storage)
    transforms = [static_transform(texts) for texts in args.static_transform]
    with BagReader(args.bag) as reader:
        driver = BagDriver(reader, settings, _say, args.every, args.keep_inputs, transforms)
        with new_bag(args.out, storage) as writer:
            session = _run(driver, settings, writer, load)
            _check_completed(args.bag, driver.counts, session)
        print(_summary(driver.counts, session))
        print(f"written to {args.out}: {', '.join(writer.topics)}")
    if args.save_world is not None and (world := session.world()) is not None:
        write_world(world, args.save_world)
    _check_ended(driver.counts)
    return 0


def _run(
    driver: BagDriver, settings: Settings, writer: BagWriter, load: LoadCompleter
) -> SceneSession:
    from tqdm import tqdm

    from iscene_ros.session.out_of_memory import OutOfMemoryFallback

    completer = OutOfMemoryFallback(
        lambda device: load(settings.model_config(device)), settings.device, _say
    )
    with tqdm(total=driver.message_count, unit=" messages", desc="0 frames") as bar:

        def progress(completed: int) -> None:
            bar.set_description(f"{completed} frames", refresh=False)
            bar.update()

        return driver.run(completer, writer, progress)


def _check_completed(bag: Path, counts: BagCounts, session: SceneSession) -> None:
    from iscene_ros.session.rejection import RejectReason

    if counts.completed:
        return
    _check_ended(counts)
    is_missing = bool(session.frames.missing_inputs())
    reason = session.status(0).summary if is_missing else session.rejections.newest
    if session.rejections.counts.get(RejectReason.NO_TRANSFORM):
        reason += "; what the bag lacks can be given by --static-transform"
    raise InputError(f"{bag}: not one frame was completed; {reason}")


def _check_ended(counts: BagCounts) -> None:
    """Fail where the bag was not gone through to its end."""
    if counts.interrupted:
        raise KeyboardInterrupt
    if counts.damage:
        raise InputError(counts.damage)


def _summary(counts: BagCounts, session: SceneSession) -> str:
    rows: list[tuple[str, int]] = [
        ("frames", counts.frames),
        ("completed", counts.completed),
        ("left out by --every", counts.left_out),
        ("dropped", session.dropped),
    ]
    rejected = sorted(session.rejections.counts.items())
    rows += [(f"rejected: {reason.value}", count) for reason, count in rejected]
    rows += [(f"warned: {kind}", n) for kind, n in sorted(session.warnings.counts.items())]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name.ljust(width)}  {count:6d}" for name, count in rows]
    if counts.interrupted or counts.damage:
        what = "interrupted" if counts.interrupted else "damaged"
        lines.append(f"{what}: the new bag holds what was completed until then")
    return "\n".join(lines)


def _say(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(f"iscene: {line}", file=sys.stderr)
