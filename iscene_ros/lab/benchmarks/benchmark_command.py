"""`iscene benchmark`: how long a completion takes and how much memory."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from iscene_ros.cli.arguments import add_model_arguments, model_config
from iscene_ros.cli.completion_run import Completer, load_completer
from iscene_ros.core.errors import InputError
from iscene_ros.lab.benchmarks import release_arguments
from iscene_ros.lab.benchmarks.benchmark import Measurement, benchmark
from iscene_ros.lab.benchmarks.table_scene import MAX_OBJECTS

DEFAULT_OBJECTS = (1, 2, 5, 10, 20)
HEADINGS = (
    *("objects", "steps", "completed", "prepare [s]", "network [s]", "meshing [s]", "total [s]"),
    *("x 1 object", "peak [MB]", "GPU peak [MB]"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene benchmark`."""
    add_model_arguments(parser)
    parser.add_argument(
        "--objects", type=int, nargs="+", metavar="N", help="1 to 20 (default: 1 2 5 10 20)"
    )
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4, 8], metavar="N")
    parser.add_argument("--repeats", type=int, default=3, help="runs per row (%(default)s)")
    parser.add_argument(
        "--messages",
        action="store_true",
        help="measure the message layer around the model instead, with rclpy where ROS is sourced",
    )
    parser.add_argument(
        "--node",
        action="store_true",
        help="measure the node under 30 frames/s and a model of 1 s instead; needs ROS",
    )
    parser.add_argument("--frames", type=int, default=2000, help="of --node (%(default)s)")
    parser.add_argument(
        "--out", type=Path, help="folder for benchmark.md and benchmark.csv (default: print only)"
    )
    release_arguments.add_arguments(parser)


def run(args: argparse.Namespace, load: Callable[[], Completer] | None = None) -> int:
    """Measure, print the table as it grows, write it."""
    from iscene_ros.lab.evaluation.machine import this_machine
    from iscene_ros.lab.evaluation.report import csv_of, markdown_table, write_text

    if args.model in release_arguments.SHAPES:
        from iscene_ros.lab.benchmarks import release_benchmark

        return release_benchmark.run(args)
    objects = sorted(args.objects or DEFAULT_OBJECTS)
    _check(args, objects)
    machine = str(this_machine())
    if args.messages or args.node:
        return _measure_layer(args, machine)
    if load is None and _is_published(args.model):
        from iscene_ros.lab.benchmarks import preset_comparison

        return preset_comparison.run(args)
    print(f"{machine}, device {args.device}, model {args.model}", file=sys.stderr)
    load = load or partial(load_completer, model_config(args, relations=False))
    measured: list[Measurement] = []
    for one in benchmark(load, objects, sorted(args.steps), args.repeats):
        measured.append(one)
        print(
            f"{one.objects} objects, {one.steps} steps: {one.seconds.total:.2f} s", file=sys.stderr
        )
    text = markdown_table([HEADINGS, *formatted_rows(measured)], text_columns=0)
    print(text)
    if args.out is not None:
        write_text(args.out / "benchmark.md", f"{machine}\n\n{text}")
        write_text(args.out / "benchmark.csv", csv_of([HEADINGS, *rows(measured)]))
    return 0


def _is_published(model: str) -> bool:
    from iscene_ros.models.registry import RELEASE, find_model

    return find_model(model) is RELEASE


def _measure_layer(args: argparse.Namespace, machine: str) -> int:
    """The message layer, or the whole node."""
    from iscene_ros.lab.evaluation.report import csv_of, markdown_table, write_text

    print(machine, file=sys.stderr)
    if args.node:
        from iscene_ros.lab.benchmarks.node_benchmark import measure_node, node_table

        name, table = "node", node_table([measure_node(args.frames)])
    else:
        from iscene_ros.lab.benchmarks.layer_benchmark import layer_table, measure_layer

        name, table = "messages", layer_table([measure_layer(), measure_layer(overlay=True)])
    text = markdown_table(table, text_columns=0)
    print(text)
    if args.out is not None:
        write_text(args.out / f"{name}.md", f"{machine}\n\n{text}")
        write_text(args.out / f"{name}.csv", csv_of(table))
    return 0


def rows(measured: Sequence[Measurement]) -> list[list[float]]:
    """The cells under `HEADINGS`; the ratio is NaN where fewer objects were not measured."""
    single = {m.steps: m.seconds.total for m in measured if m.objects == 1}
    return [
        [
            *(m.objects, m.steps, m.completed),
            *(m.seconds.prepare, m.seconds.network, m.seconds.meshing, m.seconds.total),
            m.seconds.total / single[m.steps] if m.steps in single else float("nan"),
            *(m.peak_megabytes, m.peak_gpu_megabytes),
        ]
        for m in measured
    ]


def formatted_rows(measured: Sequence[Measurement]) -> list[list[str]]:
    """The same, rounded."""
    decimals = (0, 0, 0, 2, 2, 2, 2, 1, 0, 0)
    return [
        [f"{cell:.{digits}f}" for cell, digits in zip(row, decimals, strict=True)]
        for row in rows(measured)
    ]


def _check(args: argparse.Namespace, objects: Sequence[int]) -> None:
    if any(not 1 <= count <= MAX_OBJECTS for count in objects):
        raise InputError(f"--objects: {objects}, expected numbers from 1 to {MAX_OBJECTS}")
    if any(count < 1 for count in args.steps):
        raise InputError(f"--steps: {args.steps}, expected positive numbers")
    if args.repeats < 1:
        raise InputError(f"--repeats: {args.repeats}, expected at least 1")
