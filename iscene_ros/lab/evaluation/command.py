"""`iscene evaluate`: quality of a model and of the scene graph, against exact truth."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from iscene_ros.core.atomic_files import write_text
from iscene_ros.core.errors import InputError
from iscene_ros.lab.evaluation.arguments import (
    add_completion_arguments,
    add_family_argument,
    add_grasp_arguments,
    add_model_arguments,
    add_scene_arguments,
    add_view_arguments,
    evaluation_options,
    load_completer,
)
from iscene_ros.models.model_config import PRECISIONS, SHIPPED_MODEL, CompletionOptions

if TYPE_CHECKING:
    from iscene_ros.completion.scene_completer import SceneCompleter
    from iscene_ros.lab.evaluation.scenes import EvaluationOptions

# Fewer voxels a side show no shape.
LOWEST_RESOLUTION = 8
# Scenes to calibrate on, far from the seeds of evaluations.
CALIBRATION_SCENES, CALIBRATION_SEED = 240, 2000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene evaluate`."""
    subparsers = parser.add_subparsers(dest="evaluation", required=True, metavar="EVALUATION")
    for name, (describe, run_evaluation, summary) in EVALUATIONS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary.capitalize())
        describe(subparser)
        subparser.set_defaults(run_evaluation=run_evaluation)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the tables, and write them."""
    args.run_evaluation(args)
    return 0


def _add_shape_arguments(parser: argparse.ArgumentParser) -> None:
    add_completion_arguments(parser)
    parser.add_argument("--precision", default=PRECISIONS[0], choices=PRECISIONS)
    parser.add_argument("--no-baselines", action="store_true", help="score the model alone")


def _run_shapes(args: argparse.Namespace) -> None:
    options = replace(evaluation_options(args), baselines=not args.no_baselines)
    _score_shapes(load_completer(args), options, args.out)


def _add_oracle_arguments(parser: argparse.ArgumentParser) -> None:
    add_scene_arguments(parser)
    add_family_argument(parser)
    parser.add_argument(
        "--resolution", type=int, default=64, metavar="R", help="voxels a side (%(default)s)"
    )


def _run_oracle(args: argparse.Namespace) -> None:
    from iscene_ros.completion.scene_completer import SceneCompleter

    if args.resolution < LOWEST_RESOLUTION:
        raise InputError(f"--resolution: {args.resolution}, expected at least {LOWEST_RESOLUTION}")
    options = replace(evaluation_options(args), baselines=False, oracle_resolution=args.resolution)
    exact = CompletionOptions(relations=False)
    completer = SceneCompleter.from_pretrained(SHIPPED_MODEL, "cpu", exact)
    _score_shapes(completer, options, args.out)


def _score_shapes(completer: SceneCompleter, options: EvaluationOptions, out: Path) -> None:
    from tqdm import tqdm

    from iscene_ros.lab.evaluation.reports import print_report
    from iscene_ros.lab.evaluation.results import Results
    from iscene_ros.lab.evaluation.scenes import evaluate_scenes

    scenes = tqdm(evaluate_scenes(completer, options), total=options.scenes, unit="scene")
    results = Results.collect(scenes)
    if not results.objects:
        raise InputError(f"evaluate: no object in {options.scenes} scenes: take more")
    write_text(out / "objects.csv", results.csv())
    print_report(out / "report.md", results.report())


def _add_gallery_arguments(parser: argparse.ArgumentParser) -> None:
    add_completion_arguments(parser)
    parser.add_argument(
        "--objects", type=int, default=24, metavar="N", help="on the sheet (%(default)s)"
    )


def _run_gallery(args: argparse.Namespace) -> None:
    from iscene_ros.lab.evaluation.contact_sheet import write_gallery

    write_gallery(load_completer(args), evaluation_options(args), args.objects, args.out)


def _add_relation_arguments(parser: argparse.ArgumentParser) -> None:
    add_completion_arguments(parser)
    parser.add_argument(
        "--shapes", type=int, default=48, metavar="N", help="to draw from (%(default)s)"
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="fit the confidences of relations to these scenes and write them into the package",
    )


def _run_relations(args: argparse.Namespace) -> None:
    from iscene_ros.lab.evaluation.relation_fit import write_table
    from iscene_ros.lab.evaluation.relation_scores import RelationEvaluation
    from iscene_ros.lab.evaluation.reports import print_report
    from iscene_ros.lab.evaluation.settled_scenes import SettledOptions

    evaluation = RelationEvaluation(load_completer(args), SettledOptions.from_arguments(args))
    evaluation.run()
    write_text(args.out / "relations.csv", evaluation.scores.csv())
    print_report(args.out / "relations.md", evaluation.scores.report())
    if args.calibrate:
        print(f"written into {write_table(evaluation.examples.fitted())}", file=sys.stderr)


def _run_grasps(args: argparse.Namespace) -> None:
    from iscene_ros.lab.evaluation.grasp_scores import evaluate_grasps

    evaluate_grasps(load_completer(args), args)


def _run_envelopes(args: argparse.Namespace) -> None:
    from iscene_ros.lab.evaluation.envelopes import envelope_report, envelope_scores
    from iscene_ros.lab.evaluation.reports import print_report
    from iscene_ros.models.mini.checkpoint import LoadedModel

    completer = load_completer(args)
    if not isinstance(completer.shapes.model, LoadedModel):
        raise InputError(f"evaluate envelopes: {args.model} has the mean surface alone")
    if completer.shapes.model.calibration.uncertainty is None:
        raise InputError(
            f"evaluate envelopes: the uncertainty of {args.model} was never fitted: run "
            "iscene evaluate calibrate first"
        )
    scores = _all_scores(envelope_scores(completer, evaluation_options(args)), args)
    text = f"{envelope_report(scores)}\n{len(scores)} objects."
    print_report(args.out / "envelopes.md", text)


def _run_views(args: argparse.Namespace) -> None:
    from iscene_ros.lab.evaluation.reports import print_report
    from iscene_ros.lab.evaluation.view_scenes import ViewOptions
    from iscene_ros.lab.evaluation.view_scores import view_csv, view_report, view_scores

    counts = tuple(sorted(set(args.views)))
    options = ViewOptions(evaluation_options(args), counts, args.pose_noise, args.rows)
    scores = _all_scores(view_scores(load_completer(args), options), args)
    write_text(args.out / "views.csv", view_csv(scores))
    print_report(args.out / "views.md", view_report(scores))


def _all_scores(scenes: Iterable[list], args: argparse.Namespace) -> list:
    """Return the scores of all scenes, beside a progress bar."""
    from tqdm import tqdm

    scenes = tqdm(scenes, total=args.scenes, unit="scene")
    scores = [score for scene in scenes for score in scene]
    if not scores:
        raise InputError(f"{args.evaluation}: no object in {args.scenes} scenes: take more")
    return scores


def _run_registration(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from iscene_ros.lab.evaluation.registration_scenes import Perturbation
    from iscene_ros.lab.evaluation.registration_scores import (
        registration_report,
        registration_scores,
    )
    from iscene_ros.lab.evaluation.reports import print_report

    total = args.scenes * len(Perturbation)
    scored = tqdm(registration_scores(args.scenes, args.seed), total=total, unit="view")
    report = registration_report([score for score in scored if score is not None])
    print_report(args.out / "registration.md", report)


def _run_twins(args: argparse.Namespace) -> None:
    from iscene_ros.lab.evaluation.twin_scores import evaluate_twins

    evaluate_twins(load_completer(args), evaluation_options(args), args.out)


def _add_carton_arguments(parser: argparse.ArgumentParser) -> None:
    add_scene_arguments(parser)
    add_model_arguments(parser)


def _run_cartons(args: argparse.Namespace) -> None:
    from iscene_ros.lab.evaluation.cartons import evaluate_cartons

    evaluate_cartons(load_completer(args), args.scenes, args.seed, args.out)


def _add_calibration_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument(
        "--scenes", type=int, default=CALIBRATION_SCENES, metavar="N", help="(%(default)s)"
    )
    parser.add_argument(
        "--keep-level",
        action="store_true",
        help="keep the level at which surfaces are extracted, and with it all meshes",
    )


def _run_calibration(args: argparse.Namespace) -> None:
    from iscene_ros.lab.evaluation.calibration import fitted_calibration
    from iscene_ros.lab.evaluation.scenes import EvaluationOptions
    from iscene_ros.models.mini.checkpoint import LoadedModel, replace_calibration
    from iscene_ros.models.registry import checkpoint_path

    completer = load_completer(args)
    if not isinstance(completer.shapes.model, LoadedModel):
        raise InputError("evaluate calibrate: for iscene-mini alone; choose another --model")
    options = EvaluationOptions(args.scenes, CALIBRATION_SEED, held_out=False)
    fitted = fitted_calibration(completer, options, args.keep_level)
    path = checkpoint_path(args.model)
    replace_calibration(path, fitted)
    print(f"written into {path}: {fitted}")


EVALUATIONS = {
    "shapes": (
        _add_shape_arguments,
        _run_shapes,
        "score completed meshes and simple baselines on rendered scenes",
    ),
    "oracle": (
        _add_oracle_arguments,
        _run_oracle,
        "score true distances on grids of R^3 voxels: the upper bound of such a network",
    ),
    "gallery": (
        _add_gallery_arguments,
        _run_gallery,
        "draw the worst objects: input, prediction, truth, errors",
    ),
    "relations": (
        _add_relation_arguments,
        _run_relations,
        "score the scene graph on scenes settled by mujoco, from true and completed meshes",
    ),
    "grasps": (
        add_grasp_arguments,
        _run_grasps,
        "execute grasps in mujoco that were planned on true, completed and simpler meshes",
    ),
    "envelopes": (
        add_completion_arguments,
        _run_envelopes,
        "score the inner, mean and outer surface, and the uncertainty of vertices",
    ),
    "views": (
        add_view_arguments,
        _run_views,
        "score completions of one and of several views of a scene, beside plain depth fusion",
    ),
    "registration": (
        add_scene_arguments,
        _run_registration,
        "score the registration of shapes in a cube of unknown scale to a view",
    ),
    "twins": (
        add_completion_arguments,
        _run_twins,
        "score completions with and without twins, on rows of equal packs and on other scenes",
    ),
    "cartons": (
        _add_carton_arguments,
        _run_cartons,
        "measure the sizes of completed cartons on a table, seen by several depth sensors",
    ),
    "calibrate": (
        _add_calibration_arguments,
        _run_calibration,
        "fit level, confidence and uncertainty of a model, and write them into its file",
    ),
}
