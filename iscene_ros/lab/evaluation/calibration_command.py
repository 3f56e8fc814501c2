"""`iscene evaluate --calibrate`: what is fitted to a finished network, written into its file."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iscene_ros.completion.scene_completer import SceneCompleter

ALL, CONFIDENCE = "all", "confidence"
# Far from the seeds of evaluations.
SEED = 2000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--calibrate",
        nargs="?",
        const=ALL,
        choices=[ALL, CONFIDENCE],
        help="first fit the surface level, the confidence and the uncertainty of surfaces on "
        "scenes of training families, and write them into the model's file; confidence: leave "
        "the level, and so all meshes, as they are",
    )
    parser.add_argument(
        "--calibration-scenes", type=int, default=240, help="to fit to (%(default)s)"
    )


def calibrated(completer: SceneCompleter, args: argparse.Namespace) -> SceneCompleter:
    """The completer with what was fitted to it, which is written into the model's file, too."""
    from tqdm import tqdm

    from iscene_ros.lab.evaluation import calibration
    from iscene_ros.lab.evaluation.rendered_scenes import EvaluationOptions
    from iscene_ros.models.mini.confidence import Calibration

    options = EvaluationOptions(args.calibration_scenes, SEED, held_out=False, steps=args.steps)
    level = completer.shapes.model.calibration.level
    if args.calibrate == ALL:
        completer = calibration.with_calibration(completer, Calibration())
        level = calibration.fit_level(completer, replace(options, scenes=options.scenes // 6))
    completer = calibration.with_calibration(completer, Calibration(level=level))
    cases = list(tqdm(calibration.calibration_cases(completer, options), unit="object"))
    fitted = calibration.fit_calibration(cases, level)
    path = calibration.write_calibration(args.model, fitted)
    print(f"written into {path}: {fitted}", file=sys.stderr)
    return calibration.with_calibration(completer, fitted)
