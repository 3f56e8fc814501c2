"""`iscene evaluate --placement`: how well shapes of unknown scale are laid over a view."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments that belong to the placement."""
    parser.add_argument(
        "--placement",
        action="store_true",
        help="score the placement of shapes in a cube of unknown scale: true ones, and spoilt ones",
    )


def run(args: argparse.Namespace) -> int:
    """Score the placement, print the table, write it."""
    from tqdm import tqdm

    from iscene_ros.lab.evaluation.machine import this_machine
    from iscene_ros.lab.evaluation.registration_scenes import Spoiling
    from iscene_ros.lab.evaluation.registration_scores import placement_report, placement_scores
    from iscene_ros.lab.evaluation.report import write_text

    scores = placement_scores(args.scenes, args.seed)
    scored = tqdm(scores, total=args.scenes * len(Spoiling), unit="view")
    report = placement_report([score for score in scored if score is not None])
    text = f"{report}\nMachine: {this_machine()}\n"
    write_text(Path(args.out) / "placement.md", text)
    print(text)
    return 0
