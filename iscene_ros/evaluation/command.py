"""`iscene evaluate`: the model beside simple completions, on rendered scenes with exact truth."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from iscene_ros.commands.completion_run import DEFAULT_MODEL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene evaluate`."""
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME_OR_PATH")
    parser.add_argument("--out", type=Path, default=Path("evaluation"), help="folder of the tables")
    parser.add_argument("--scenes", type=int, default=40, help="rendered scenes (%(default)s)")
    parser.add_argument("--seed", type=int, default=1000, help="of the scenes (%(default)s)")
    parser.add_argument("--steps", type=int, help="of the sampler (default: the model's)")
    parser.add_argument(
        "--families",
        choices=["held_out", "training"],
        default="held_out",
        help="shape families that training never saw, or those that it saw",
    )
    parser.add_argument("--no-baselines", action="store_true", help="score the model alone")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument(
        "--fit-confidence",
        action="store_true",
        help="fit the confidence to these scores and write it into the model's file",
    )


def run(args: argparse.Namespace) -> int:
    """Score, print the table, write it with every object's scores."""
    from tqdm import tqdm

    from iscene_ros.completion import SceneCompleter
    from iscene_ros.evaluation.calibration import fit_confidence, without_calibration
    from iscene_ros.evaluation.rendered_scenes import EvaluationOptions, evaluate_scenes
    from iscene_ros.evaluation.results import Results

    options = EvaluationOptions(
        scenes=args.scenes,
        seed=args.seed,
        held_out=args.families == "held_out",
        steps=args.steps,
        baselines=not args.no_baselines,
    )
    completer = SceneCompleter.from_pretrained(args.model, args.device)
    if args.fit_confidence:
        completer = without_calibration(completer)
    scored = tqdm(evaluate_scenes(completer, options), total=options.scenes, unit="scene")
    results = Results.collect(scored)
    results.write(args.out)
    print(results.report())
    if args.fit_confidence:
        path = fit_confidence(args.model, results)
        print(f"confidence written into {path}", file=sys.stderr)
    return 0
