"""From an observation to a result folder, for `iscene complete` and `iscene demo`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from iscene_ros.cli.arguments import completion_request, model_config
from iscene_ros.core.errors import InputError
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene, SceneObject
from iscene_ros.io.result_folder import check_writable
from iscene_ros.models.model_config import ModelConfig
from iscene_ros.session.out_of_memory import Completer, OutOfMemoryFallback

if TYPE_CHECKING:
    from iscene_ros.planning.grasps import Grasps

LoadCompleter = Callable[[ModelConfig], Completer]

_LEFT_ALIGNED_COLUMNS = {1}


def load_completer(config: ModelConfig) -> Completer:
    """Load the completer of a configuration; torch is imported here, not before."""
    from iscene_ros.completion.scene_completer import SceneCompleter

    return SceneCompleter.from_config(config)


def complete_to(
    directory: Path,
    observation: Observation | Sequence[Observation],
    args: argparse.Namespace,
    load: LoadCompleter = load_completer,
    gripper: str | None = None,
) -> None:
    """Complete an observation or several of one scene, write the result folder, print the table.

    Args:
        directory: new, empty or an earlier result.
        observation: input of the completion; of several, the last is drawn.
        args: with the arguments of `add_completion_arguments`.
        load: loads the completer of a configuration.
        gripper: name of that whose grasps are planned, printed and drawn; None for none.
    """
    check_writable(directory)
    if args.pddl:
        from iscene_ros.planning.pddl import check_pddl_files

        check_pddl_files(args.pddl, directory)
    elif args.pddl_goal:
        raise InputError("--pddl-goal: name the files to write, too: --pddl DOMAIN PROBLEM")
    with _Progress() as progress:
        scene, failed, grasps = _completed_to(directory, observation, args, load, gripper, progress)
    for warning in (*scene.warnings, *failed):
        _warn(warning)
    print(format_table(scene))
    for number, found in grasps.items():
        print(f"{scene[number].label} {number}: {found.summary}")
    print(f"written to {directory}/: {', '.join(sorted(p.name for p in directory.iterdir()))}")
    if args.pddl:
        print(f"for task planners: {args.pddl[0]}, {args.pddl[1]}")


def _completed_to(
    directory: Path,
    observation: Observation | Sequence[Observation],
    args: argparse.Namespace,
    load: LoadCompleter,
    gripper: str | None,
    progress: _Progress,
) -> tuple[Scene, tuple[str, ...], dict[int, Grasps]]:
    """Complete and write; return the scene, lines about undrawn pictures, and grasps by object."""
    # These imports take longer than reading the frame: the progress bar is there before them.
    from iscene_ros.io.scene_io import write_scene
    from iscene_ros.planning.grasps import plan_all_grasps
    from iscene_ros.planning.grippers import gripper_named
    from iscene_ros.planning.pddl import pddl_domain, pddl_problem, write_pddl

    config = model_config(args)
    completer = OutOfMemoryFallback(
        lambda device: load(replace(config, device=device)), args.device, _warn
    )
    scene = completer.complete(observation, completion_request(args), progress)
    grasps = {}
    if gripper is not None:
        progress.say("grasps")
        views = [observation] if isinstance(observation, Observation) else observation
        grasps = plan_all_grasps(scene, gripper_named(gripper), observations=views)
    progress.say("write")
    problem = pddl_problem(scene.graph, args.pddl_goal) if args.pddl else ""
    drawn = observation if isinstance(observation, Observation) else observation[-1]
    shown = list(grasps.values())
    failed = write_scene(scene, directory, drawn, not args.no_pictures, shown)
    if args.pddl:
        write_pddl(args.pddl, pddl_domain(scene.graph), problem)
    progress.finish()
    return scene, failed, grasps


def _warn(line: str) -> None:
    print(f"iscene: warning: {line}", file=sys.stderr)


class _Progress:
    """A progress bar of the completer's steps and one for writing; removed when they fail."""

    def __enter__(self) -> _Progress:
        from tqdm import tqdm

        self._bar = tqdm(total=1, desc="load", bar_format="{l_bar}{bar}| {elapsed}")
        return self

    def __exit__(self, failure: type | None, *_: object) -> None:
        self._bar.leave = failure is None
        self._bar.close()

    def __call__(self, done: int, total: int, what: str) -> None:
        self._bar.total, self._bar.n = total + 1, done
        self.say(what)

    def say(self, what: str) -> None:
        """Show the current work."""
        self._bar.set_description(what)

    def finish(self) -> None:
        """Show that everything is done."""
        self._bar.n = self._bar.total
        self.say("done")


def format_table(scene: Scene) -> str:
    """Return a table: a line for each object and each skipped instance, and the sum."""
    unit = "[cm]" if scene.is_metric else "[unknown unit / 100]"
    titles = ("id", "label", f"size {unit}", "observed", "confidence", "seconds")
    rows = [titles, *map(_cells, scene.objects)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_aligned(row, widths) for row in rows]
    lines += [f"skipped {s.id} {s.label}: {s.reason}" for s in scene.skipped]
    lines.append(f"{len(scene.objects)} objects in {scene.timings.total:.2f} s")
    return "\n".join(lines)


def _cells(scene_object: SceneObject) -> tuple[str, ...]:
    return (
        str(scene_object.id),
        scene_object.label,
        " x ".join(f"{100 * edge:.1f}" for edge in scene_object.size),
        f"{100 * scene_object.observed_fraction:.0f} %",
        f"{scene_object.confidence:.2f}",
        f"{scene_object.seconds:.2f}",
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.ljust(width) if index in _LEFT_ALIGNED_COLUMNS else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells)
