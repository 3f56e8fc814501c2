"""`iscene evaluate`: the model beside simple completions, on rendered scenes with exact truth."""

from __future__ import annotations

import argparse
from pathlib import Path

from iscene_ros.core.errors import InputError
from iscene_ros.lab.evaluation import (
    calibration_command,
    envelope_command,
    gallery_command,
    relation_command,
)
from iscene_ros.lab.evaluation import registration_command as placement_command
from iscene_ros.models.model_config import PRECISIONS, SHIPPED_MODEL

# Fewer voxels a side show no shape.
LOWEST_CEILING = 8
NOT_ASKED = (None, False)
# The keys of `withheld.WITHHELD`, which is imported where it is used: it loads torch.
PARTS = ("scene-context", "transformer", "coarse")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene evaluate`."""
    parser.add_argument("--model", default=SHIPPED_MODEL, metavar="NAME_OR_PATH")
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
    parser.add_argument(
        "--ceiling",
        type=int,
        metavar="R",
        help="score true distances on grids of R^3 voxels in place of the model's: the most that "
        "a network of this resolution can reach with these cubes",
    )
    parser.add_argument(
        "--without",
        choices=PARTS,
        help="score the model with the word of one of its parts withheld: what that is worth",
    )
    parser.add_argument("--no-baselines", action="store_true", help="score the model alone")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--precision", default=PRECISIONS[0], choices=PRECISIONS)
    relation_command.add_arguments(parser)
    placement_command.add_arguments(parser)
    gallery_command.add_arguments(parser)
    calibration_command.add_arguments(parser)
    envelope_command.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Score, print the table, write it with every object's scores."""
    _check_one_question(args)
    if args.relations:
        return relation_command.run(args)
    if args.placement:
        return placement_command.run(args)
    if args.envelopes:
        return envelope_command.run(args)
    from tqdm import tqdm

    from iscene_ros.completion.scene_completer import SceneCompleter
    from iscene_ros.lab.evaluation.rendered_scenes import EvaluationOptions, evaluate_scenes
    from iscene_ros.lab.evaluation.results import Results
    from iscene_ros.lab.evaluation.withheld import without_part
    from iscene_ros.models.model_config import CompletionOptions

    options = EvaluationOptions(
        scenes=args.scenes,
        seed=args.seed,
        held_out=args.families == "held_out",
        steps=args.steps,
        baselines=not args.no_baselines,
        ceiling=args.ceiling,
    )
    unrelated = CompletionOptions(relations=False, precision=args.precision)
    completer = SceneCompleter.from_pretrained(args.model, args.device, unrelated)
    if args.without:
        completer = without_part(completer, args.without)
    if args.calibrate:
        completer = calibration_command.calibrated(completer, args)
    scored = tqdm(evaluate_scenes(completer, options), total=options.scenes, unit="scene")
    results = Results.collect(scored)
    results.write(args.out)
    print(results.report())
    if args.gallery:
        gallery_command.run(completer, options, results, args.out)
    return 0


def _check_one_question(args: argparse.Namespace) -> None:
    """Raises InputError where two things are asked that are answered by different tables."""
    alone = ("relations", "placement", "envelopes", "ceiling", "without")
    asked = [
        name for name in (*alone, "gallery", "calibrate") if getattr(args, name) not in NOT_ASKED
    ]
    if len(asked) > 1 and set(asked) & set(alone):
        options = " and ".join(f"--{name}" for name in asked)
        raise InputError(f"{options}: one at a time; --gallery and --calibrate alone go together")
    if args.precision != PRECISIONS[0] and asked not in ([], ["gallery"]):
        raise InputError(f"--precision: not together with --{asked[0]}, which asks in float32")
    if args.ceiling is not None and args.ceiling < LOWEST_CEILING:
        raise InputError(f"--ceiling: {args.ceiling}, expected at least {LOWEST_CEILING} voxels")
