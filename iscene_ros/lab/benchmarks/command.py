"""`iscene benchmark`: time, memory and work of the models, the message layer and the node."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from iscene_ros.cli.arguments import add_model_arguments, model_config
from iscene_ros.cli.completion_run import Completer, load_completer
from iscene_ros.core.atomic_files import write_text
from iscene_ros.core.errors import InputError
from iscene_ros.models.model_config import DEVICES, PRESETS

MAX_OBJECTS = 20
# The keys of `iscene_ros.models.iscene.packages.parts.DTYPES`, which loads torch.
DTYPES = ("float16", "bfloat16", "float32")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene benchmark`."""
    subparsers = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    for name, (describe, run_benchmark, summary) in BENCHMARKS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary.capitalize())
        subparser.add_argument(
            "--out", type=Path, help="folder for the table as .md and .csv (default: print only)"
        )
        describe(subparser)
        subparser.set_defaults(run_benchmark=run_benchmark)


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, and write it into the folder --out, if given."""
    args.run_benchmark(args)
    return 0


def _add_counts(parser: argparse.ArgumentParser, **defaults: int) -> None:
    """Add whole-number arguments by name."""
    for name, default in defaults.items():
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help="(%(default)s)"
        )


def _add_completion_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument(
        "--objects",
        type=int,
        nargs="+",
        default=[1, 2, 5, 10, 20],
        metavar="N",
        help="1 to 20 (default: 1 2 5 10 20)",
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs per row (%(default)s)")


def run_completion(args: argparse.Namespace, load: Callable[[], Completer] | None = None) -> None:
    """Measure `SceneCompleter.complete` by the number of objects."""
    from iscene_ros.lab.benchmarks import completion

    _check_numbers(args, objects=MAX_OBJECTS, repeats=None)
    print(f"device {args.device}, model {args.model}", file=sys.stderr)
    load = load or partial(load_completer, model_config(args, relations=False))
    measured = []
    for one in completion.measure_completions(load, sorted(args.objects), args.repeats):
        measured.append(one)
        print(f"{one.objects} objects: {one.seconds.total:.2f} s", file=sys.stderr)
    rows = [completion.HEADINGS, *completion.completion_rows(measured)]
    _publish(args.out, "benchmark", completion.completion_table(measured), rows)


def _run_layer(args: argparse.Namespace) -> None:
    from iscene_ros.lab.benchmarks.message_layer import layer_table, measure_layer

    _check_numbers(args, objects=MAX_OBJECTS, frames=None)
    measured = [measure_layer(args.objects, args.frames, overlay) for overlay in (False, True)]
    _publish(args.out, "messages", layer_table(measured))


def _run_evidence(args: argparse.Namespace) -> None:
    from iscene_ros.lab.benchmarks.evidence import evidence_table, measure_evidence

    _check_numbers(args, objects=MAX_OBJECTS, frames=None)
    table = evidence_table(measure_evidence(args.objects, args.frames))
    _publish(args.out, "evidence", table, text_columns=1)


def _add_busy_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 5, 10, 20], metavar="N")
    parser.add_argument("--repeats", type=int, default=3, help="runs per row (%(default)s)")


def _run_busy(args: argparse.Namespace) -> None:
    from iscene_ros.lab.benchmarks.busy import busy_table, measure_busy

    _check_numbers(args, objects=MAX_OBJECTS, repeats=None)
    load = partial(load_completer, model_config(args, relations=False))
    measured = list(measure_busy(load, sorted(args.objects), args.repeats))
    _publish(args.out, "busy", busy_table(measured))


def _run_node(args: argparse.Namespace) -> None:
    _check_numbers(args, frames=None)
    if find_spec("rclpy") is None:
        raise InputError("benchmark node: needs ROS 2: source its setup.bash first")
    from iscene_ros.lab.benchmarks.node import measure_node, node_table

    _publish(args.out, "node", node_table(measure_node(args.frames)))


def _run_environment(args: argparse.Namespace) -> None:
    from iscene_ros.geometry.environment_volume import has_open3d
    from iscene_ros.lab.benchmarks.environment import fusion_table, measure_fusion

    _check_numbers(args, frames=None)
    if not has_open3d():
        raise InputError("benchmark environment: run: pip install 'iscene_ros[fusion]'")
    _publish(args.out, "environment", fusion_table(measure_fusion(args.frames)))


def _add_released_arguments(parser: argparse.ArgumentParser) -> None:
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument(
        "--model",
        metavar="NAME_OR_PATH",
        help="a released I-Scene, such as LuLing/IScene, on a real frame (default: random weights)",
    )
    weights.add_argument(
        "--size",
        choices=("published", "small"),
        default="published",
        help="of the networks with random weights; small: for a CPU (default: %(default)s)",
    )
    parser.add_argument("--base", metavar="PATH_OR_ID", help="of --model, if not its own")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 5], metavar="N")
    parser.add_argument(
        "--cells",
        type=int,
        metavar="N",
        help="occupied cells an object with random weights (default: 8000, small 300)",
    )
    parser.add_argument(
        "--presets", nargs="+", choices=PRESETS, default=list(PRESETS), help="(default: all)"
    )
    parser.add_argument("--device", default="auto", choices=DEVICES)
    parser.add_argument("--dtype", choices=DTYPES, help="(default: float16 on a GPU, else float32)")


def _run_released(args: argparse.Namespace) -> None:
    from iscene_ros.lab.benchmarks import released
    from iscene_ros.models.iscene.sampling.presets import preset

    _check_numbers(args, objects=None, cells=None)
    model, scenes = _released_scenes(args)
    names = ["exact", *(name for name in args.presets if name != "exact")]
    presets = [preset(name, model.config) for name in names]
    dtype = str(model.dtype).removeprefix("torch.")
    setting = f"model {model.name}, device {model.device}, {dtype}"
    table = [list(released.HEADINGS)]
    for scene in scenes:
        exact = None
        for cost in released.measure_presets(model, scene, presets):
            exact = exact or cost
            table.append(cost.row(exact))
            print(" ".join(table[-1]), file=sys.stderr)
    _publish(args.out, "released", table, setting=setting, text_columns=2)


def _released_scenes(args: argparse.Namespace):
    """Return the model that the arguments name, and one scene for each number of objects."""
    from iscene_ros.lab.benchmarks import released
    from iscene_ros.models.iscene.config import ReleaseConfig
    from iscene_ros.models.iscene.packages.loading import load_release, random_release
    from iscene_ros.models.iscene.packages.parts import DTYPES as TYPES
    from iscene_ros.models.registry import resolved_device

    device, dtype = resolved_device(args.device), TYPES.get(args.dtype)
    objects = sorted(args.objects)
    if args.model is not None:
        if args.cells is not None:
            raise InputError("--cells: the model finds its own; leave it out, or leave out --model")
        model = load_release(args.model, device, dtype, args.base)
        return model, [released.demo_scene(model, count) for count in objects]
    is_small = args.size == "small"
    config = released.small_release() if is_small else ReleaseConfig()
    cells = args.cells or (300 if is_small else 8000)
    if cells > config.slat_flow.resolution**3:
        side = config.slat_flow.resolution
        raise InputError(f"--cells: {cells} do not fit into a grid of {side}^3")
    model = random_release(config, 0, device, dtype)
    return model, [released.random_scene(model, count, cells) for count in objects]


BENCHMARKS = {
    "completion": (
        _add_completion_arguments,
        run_completion,
        "time and memory of a completion by the number of objects",
    ),
    "layer": (
        partial(_add_counts, objects=10, frames=60),
        _run_layer,
        "time of the messages around the model, through rclpy where ROS is sourced",
    ),
    "evidence": (
        partial(_add_counts, objects=10, frames=2000),
        _run_evidence,
        "time and memory of what the session knows of its objects, without the model",
    ),
    "busy": (
        _add_busy_arguments,
        _run_busy,
        "time of completion, relations, messages and drawing, idle and beside busy processes",
    ),
    "node": (
        partial(_add_counts, frames=2000),
        _run_node,
        "the node behind a camera of 30 frames/s with a model of 1 s; needs ROS",
    ),
    "environment": (
        partial(_add_counts, frames=200),
        _run_environment,
        "time and memory of the fused surroundings; needs open3d",
    ),
    "released": (
        _add_released_arguments,
        _run_released,
        "time, memory and work of the released I-Scene by preset",
    ),
}


def _check_numbers(args: argparse.Namespace, **largest: int | None) -> None:
    """Check whole-number arguments, each at least 1 and at most a largest value.

    Raises:
        InputError: A number out of range.
    """
    for name, most in largest.items():
        given = getattr(args, name)
        numbers = given if isinstance(given, list) else [given]
        if any(n is not None and (n < 1 or (most is not None and n > most)) for n in numbers):
            limits = "at least 1" if most is None else f"1 to {most}"
            raise InputError(f"--{name}: {given}, expected {limits}")


def _publish(
    out: Path | None,
    name: str,
    table: Sequence[Sequence[str]],
    csv_rows: Sequence[Sequence[object]] | None = None,
    setting: str = "",
    text_columns: int = 0,
) -> None:
    """Print a table; write NAME.md and NAME.csv where a folder is given."""
    from iscene_ros.lab.evaluation.reports import csv_text, markdown_table, this_machine

    text = markdown_table(table, text_columns)
    print(text)
    if out is not None:
        heading = ", ".join(part for part in (this_machine(), setting) if part)
        write_text(out / f"{name}.md", f"{heading}\n\n{text}")
        write_text(out / f"{name}.csv", csv_text(csv_rows or table))
