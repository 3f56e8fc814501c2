"""Arguments that several subcommands share, and their types."""

from __future__ import annotations

import argparse
from pathlib import Path

from iscene_ros.core.errors import InputError
from iscene_ros.models.base import CompletionRequest
from iscene_ros.models.model_config import (
    DEVICES,
    ENVELOPES,
    PRECISIONS,
    PRESETS,
    SHIPPED_MODEL,
    CompletionOptions,
    ModelConfig,
)


def positive_int(text: str) -> int:
    """Parse a positive whole number, as a `type` of argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)


def add_completion_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a completion."""
    add_model_arguments(parser)
    parser.add_argument(
        "--steps",
        type=positive_int,
        metavar="N",
        help="steps of a released model's sampler (default: the preset's)",
    )
    parser.add_argument("--seed", type=int, metavar="S", help="of its noise (default: 0)")
    parser.add_argument(
        "--faces",
        type=positive_int,
        default=5000,
        metavar="N",
        help="most triangles a mesh (default: %(default)s)",
    )
    parser.add_argument(
        "--envelope",
        default="mean",
        choices=ENVELOPES,
        help="which surface of iscene-mini: the mean one; the inner one, of what is almost "
        "certainly solid; the outer one, of what may be (default: %(default)s)",
    )
    parser.add_argument(
        "--no-pictures",
        action="store_true",
        help="write no overview.png and no graph.png, which take as long as completing",
    )
    parser.add_argument(
        "--twins",
        action="store_true",
        help="have objects of the same class and shape complete one another (needs a pose)",
    )
    parser.add_argument(
        "--pddl",
        type=Path,
        nargs=2,
        metavar=("DOMAIN", "PROBLEM"),
        help="files to write for task planners: what has to be put away to hold an object",
    )
    parser.add_argument(
        "--pddl-goal",
        type=positive_int,
        metavar="ID",
        help="instance to hold in the end (default: the one with the most in its way)",
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose and set up the model."""
    parser.add_argument(
        "--model",
        default=SHIPPED_MODEL,
        metavar="NAME_OR_PATH",
        help="a shipped model, a checkpoint, or a released I-Scene: folder, converted file or hub "
        "id, such as LuLing/IScene (default: %(default)s)",
    )
    parser.add_argument("--device", default="auto", choices=DEVICES)
    parser.add_argument(
        "--precision",
        default=PRECISIONS[0],
        choices=PRECISIONS,
        help="of iscene-mini's arithmetic (default: %(default)s)",
    )
    parser.add_argument(
        "--preset",
        default="exact",
        choices=PRESETS,
        help="of a released model: how exact and how fast (default: %(default)s)",
    )
    parser.add_argument(
        "--base", default="", metavar="PATH_OR_ID", help="of a released model, if not its own"
    )


def completion_request(args: argparse.Namespace) -> CompletionRequest:
    """Return the request of the arguments that `add_completion_arguments` added.

    Raises:
        InputError: steps or a seed for iscene-mini, which has no sampler.
        ModelError: there is no such model.
    """
    given = [name for name in ("steps", "seed") if getattr(args, name) is not None]
    if given:
        from iscene_ros.models.registry import MINI, checkpoint_path, find_model

        if find_model(args.model) is MINI:
            checkpoint_path(args.model)  # fails where there is no such model
            raise InputError(
                f"--{given[0]}: iscene-mini has no sampler; only a released I-Scene takes it, such "
                "as --model LuLing/IScene"
            )
    return CompletionRequest(args.steps, args.seed or 0, args.faces)


def model_config(args: argparse.Namespace, relations: bool = True) -> ModelConfig:
    """Return the model config of the arguments that `add_model_arguments` added."""
    options = CompletionOptions(
        relations=relations,
        envelope=getattr(args, "envelope", "mean"),
        precision=args.precision,
        preset=args.preset,
        camera_height=getattr(args, "camera_height", None),
        support_height=getattr(args, "support_height", None),
        twins=getattr(args, "twins", False),
    )
    return ModelConfig(args.model, args.device, args.base, options)
