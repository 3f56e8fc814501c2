"""What `iscene complete` and `iscene demo` share: from an observation to a result folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.models.model_config import (
    DEVICES,
    ENVELOPES,
    PRECISIONS,
    PRESETS,
    SHIPPED_MODEL,
    ModelConfig,
)
from iscene_ros.session.out_of_memory import Completer, OutOfMemoryFallback

LoadCompleter = Callable[[ModelConfig], Completer]


def load_chosen(choice: ModelConfig) -> Completer:
    """The completer of a choice."""
    from iscene_ros.completion.scene_completer import SceneCompleter

    return SceneCompleter.from_choice(choice)


def load_without_relations(choice: ModelConfig) -> Completer:
    """The same for those who do not ask for the relations of single frames."""
    from iscene_ros.completion.scene_completer import CompletionOptions, SceneCompleter

    return SceneCompleter.from_choice(choice, CompletionOptions(relations=False))


def add_completion_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say how to complete."""
    add_model_arguments(parser)
    parser.add_argument(
        "--steps", type=_positive, metavar="N", help="steps of the sampler (default: the model's)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same bytes")
    parser.add_argument(
        "--faces",
        type=_positive,
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
        "--pddl",
        type=Path,
        nargs=2,
        metavar=("DOMAIN", "PROBLEM"),
        help="files to write for task planners: what has to be put away to hold an object",
    )
    parser.add_argument(
        "--pddl-goal",
        type=_positive,
        metavar="ID",
        help="instance to hold in the end (default: the one with the most in its way)",
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which model completes."""
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
        "--compile", action="store_true", help="have torch compile iscene-mini first (a minute)"
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


def model_config(args: argparse.Namespace) -> ModelConfig:
    """What the arguments of `add_model_arguments` say."""
    return ModelConfig(
        name=args.model,
        device=args.device,
        preset=args.preset,
        base=args.base,
        camera_height=getattr(args, "camera_height", None),
        support_height=getattr(args, "support_height", None),
        envelope=getattr(args, "envelope", "mean"),
        precision=args.precision,
        compile=args.compile,
    )


def complete_to(
    directory: Path,
    observation: Observation,
    args: argparse.Namespace,
    load_completer: LoadCompleter = load_chosen,
) -> None:
    """Complete an observation, write the result folder, print the table.

    Args:
        directory: new, empty or an earlier result.
        observation: what the camera saw.
        args: with the arguments of `add_completion_arguments`.
        load_completer: makes the completer of a choice of model.
    """
    from iscene_ros.cli.scene_table import format_table
    from iscene_ros.io.pddl_files import check_pddl_files, write_pddl
    from iscene_ros.io.result_directory import check_writable
    from iscene_ros.io.scene_io import write_scene
    from iscene_ros.planning.pddl import pddl_problem

    if args.pddl:
        check_pddl_files(args.pddl, directory)
    elif args.pddl_goal:
        raise InputError("--pddl-goal: name the files to write, too: --pddl DOMAIN PROBLEM")
    check_writable(directory)
    choice = model_config(args)
    completer = OutOfMemoryFallback(
        lambda device: load_completer(replace(choice, device=device)), args.device, _warn
    )
    with _Progress() as progress:
        scene = completer.complete(observation, args.steps, args.seed, args.faces, progress)
        progress.say("write")
        problem = pddl_problem(scene.graph, args.pddl_goal) if args.pddl else ""
        write_scene(scene, directory, observation)
        if args.pddl:
            write_pddl(args.pddl, problem)
        progress.finish()
    for warning in scene.warnings:
        _warn(warning)
    print(format_table(scene))
    graph = "graph.png, " if scene.relations else ""
    print(f"written to {directory}/: scene.json, scene.glb, overview.png, {graph}meshes/")
    if args.pddl:
        print(f"for task planners: {args.pddl[0]}, {args.pddl[1]}")


def _warn(line: str) -> None:
    print(f"iscene: warning: {line}", file=sys.stderr)


class _Progress:
    """A bar of the completer's steps and one for writing; it vanishes when they fail."""

    def __enter__(self) -> _Progress:
        from tqdm import tqdm

        self._bar = tqdm(total=1, desc="prepare", bar_format="{l_bar}{bar}| {elapsed}")
        return self

    def __exit__(self, failure: type | None, *_: object) -> None:
        self._bar.leave = failure is None
        self._bar.close()

    def __call__(self, done: int, total: int, what: str) -> None:
        self._bar.total, self._bar.n = total + 1, done
        self.say(what)

    def say(self, what: str) -> None:
        """Show what is being done."""
        self._bar.set_description(what)

    def finish(self) -> None:
        """Show that everything is done."""
        self._bar.n = self._bar.total
        self.say("done")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)
