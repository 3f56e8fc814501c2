"""`iscene evaluate --envelopes`: how often the true object lies between the surfaces."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the argument."""
    parser.add_argument(
        "--envelopes",
        action="store_true",
        help="score the inner, the mean and the outer mesh, and the uncertainty of vertices, "
        "instead (envelopes.md)",
    )


def run(args: argparse.Namespace) -> int:
    """Score, print the tables, write them."""
    from tqdm import tqdm

    from iscene_ros.completion.scene_completer import SceneCompleter
    from iscene_ros.core.errors import InputError
    from iscene_ros.lab.evaluation.envelope_scores import envelope_report, envelope_scores
    from iscene_ros.lab.evaluation.machine import this_machine
    from iscene_ros.lab.evaluation.rendered_scenes import EvaluationOptions
    from iscene_ros.lab.evaluation.report import write_text
    from iscene_ros.models.mini.shape_model import MiniShapes
    from iscene_ros.models.model_config import CompletionOptions

    options = EvaluationOptions(args.scenes, args.seed, args.families == "held_out", args.steps)
    unrelated = CompletionOptions(relations=False)
    completer = SceneCompleter.from_pretrained(args.model, args.device, unrelated)
    if not isinstance(completer.shapes, MiniShapes):
        raise InputError(f"--envelopes: {args.model} has the mean surface alone")
    if completer.shapes.model.calibration.uncertainty is None:
        raise InputError(
            f"--envelopes: the uncertainty of {args.model} was never fitted: add --calibrate to "
            "an evaluation first"
        )
    scenes = tqdm(envelope_scores(completer, options), total=options.scenes, unit="scene")
    scores = [score for scene in scenes for score in scene]
    if not scores:
        raise InputError(f"--envelopes: nothing to score in {args.scenes} scenes: take more")
    report = f"{envelope_report(scores)}\n{len(scores)} objects. Machine: {this_machine()}\n"
    write_text(args.out / "envelopes.md", report)
    print(report)
    return 0
