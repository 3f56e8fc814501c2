"""Arguments that several evaluations share, and what they describe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from iscene_ros.cli.arguments import positive_int
from iscene_ros.models.model_config import DEVICES, PRECISIONS, SHIPPED_MODEL, CompletionOptions
from iscene_ros.planning.grippers import FRANKA_HAND, GRIPPERS

if TYPE_CHECKING:
    from iscene_ros.completion.scene_completer import SceneCompleter
    from iscene_ros.lab.evaluation.scenes import EvaluationOptions


def add_scene_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where results go and which scenes are drawn."""
    parser.add_argument("--out", type=Path, default=Path("evaluation"), help="(%(default)s)")
    parser.add_argument("--scenes", type=int, default=40, metavar="N", help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1000, help="of the scenes (%(default)s)")


def add_family_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument --families."""
    parser.add_argument(
        "--families",
        choices=("held_out", "training"),
        default="held_out",
        help="shape families that training never uses, or those that it does (%(default)s)",
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the model."""
    parser.add_argument("--model", default=SHIPPED_MODEL, metavar="NAME_OR_PATH")
    parser.add_argument("--device", default="auto", choices=DEVICES)


def add_completion_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of an evaluation of completed scenes."""
    add_scene_arguments(parser)
    add_family_argument(parser)
    add_model_arguments(parser)


def add_view_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of an evaluation of several views."""
    add_completion_arguments(parser)
    parser.add_argument(
        "--views",
        type=positive_int,
        nargs="+",
        default=[1, 2, 3, 5],
        metavar="K",
        help="complete from the first K cameras, for each K (%(default)s)",
    )
    parser.add_argument(
        "--pose-noise",
        action="store_true",
        help="errors of 5 mm and 0.5 degrees (standard deviations) in the poses of all views but "
        "the scored one",
    )
    parser.add_argument(
        "--rows", action="store_true", help="rows of equal packs in place of the shape families"
    )


def add_grasp_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of an evaluation of grasps."""
    add_completion_arguments(parser)
    parser.add_argument(
        "--shapes", type=int, default=36, metavar="N", help="to draw from (%(default)s)"
    )
    parser.add_argument("--gripper", choices=GRIPPERS, default=FRANKA_HAND.name)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--fit",
        action="store_true",
        help="fit the score to several grasps an object and write it into the package",
    )
    kinds.add_argument(
        "--twin",
        action="store_true",
        help="instead, export the scenes and count the objects that stay in mujoco",
    )
    kinds.add_argument(
        "--clear",
        action="store_true",
        help="instead, pick all objects of each scene, in the order of the graph and at random",
    )


def load_completer(args: argparse.Namespace) -> SceneCompleter:
    """Load the model that the arguments name."""
    from iscene_ros.completion.scene_completer import SceneCompleter

    precision = getattr(args, "precision", PRECISIONS[0])
    options = CompletionOptions(relations=False, precision=precision)
    return SceneCompleter.from_pretrained(args.model, args.device, options)


def evaluation_options(args: argparse.Namespace) -> EvaluationOptions:
    """Return the rendered scenes that the arguments describe."""
    from iscene_ros.lab.evaluation.scenes import EvaluationOptions

    return EvaluationOptions(args.scenes, args.seed, args.families == "held_out")
