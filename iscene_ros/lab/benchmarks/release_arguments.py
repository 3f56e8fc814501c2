"""Arguments of `iscene benchmark` for the published model's sizes."""

from __future__ import annotations

import argparse

from iscene_ros.core.errors import InputError
from iscene_ros.models.model_config import PRESETS

# What --model takes beside models that have weights.
SHAPES = ("release-shape", "tiny-release")
DTYPES = ("float16", "bfloat16", "float32")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that only these have."""
    group = parser.add_argument_group(f"with a released model, or --model {' or '.join(SHAPES)}")
    group.add_argument(
        "--random-weights", action="store_true", help="needed: there are no others for these shapes"
    )
    group.add_argument(
        "--presets", nargs="+", choices=PRESETS, default=list(PRESETS), help="(default: all)"
    )
    group.add_argument(
        "--cells", type=int, metavar="N", help="occupied cells an object (default: 8000, tiny 300)"
    )
    group.add_argument("--dtype", choices=DTYPES, help="(default: float16 on a GPU, else float32)")
    group.add_argument(
        "--count-only", action="store_true", help="print the operations and run nothing"
    )


def check(args: argparse.Namespace) -> None:
    """Refuse numbers that mean nothing.

    Raises:
        InputError: which, and what was expected.
    """
    if not args.random_weights:
        raise InputError(
            f"--model {args.model} has shapes and no weights: add --random-weights to measure it"
        )
    if any(count < 1 for count in args.objects or ()):
        raise InputError(f"--objects: {args.objects}, expected positive numbers")
    if args.cells is not None and args.cells < 1:
        raise InputError(f"--cells: {args.cells}, expected at least 1")
