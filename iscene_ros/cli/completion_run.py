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
from iscene_ros.core.scene import Scene
from iscene_ros.io.result_folder import check_writable
from iscene_ros.models.model_config import ModelConfig
from iscene_ros.session.out_of_memory import Completer, OutOfMemoryFallback

if TYPE_CHECKING:
    from iscene_ros.planning.grasps import Grasps

LoadCompleter = Callable[[ModelConfig], Completer]


def load_completer(config: ModelConfig) -> Completer:
    """Load the completer of a configuration; torch is imported here, not before."""
    from iscene_ros.completion.scene_completer import SceneCompleter

    return SceneCompleter.from_config(config)


def complete_to(
    directory: Path,
    observation: Observation | Sequence[Observation],
    args: argparse.Namespace,
    load: LoadCompleter,
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
    request, config = completion_request(args), model_config(args)
    views = [observation] if isinstance(observation, Observation) else observation
    grasps: dict[int, Grasps] = {}
    with _Progress() as progress:
        # These imports take longer than reading the frame: the progress bar is there before them.
        from iscene_ros.io.scene_io import write_scene
        from iscene_ros.planning.grasps import plan_all_grasps
        from iscene_ros.planning.grippers import gripper_named
        from iscene_ros.planning.pddl import pddl_domain, pddl_problem, write_pddl

        completer = OutOfMemoryFallback(
            lambda device: load(replace(config, device=device)), args.device, _warn
        )
        scene = completer.complete(observation, request, progress)
        if gripper is not None:
            progress.say("grasps")
            grasps = plan_all_grasps(scene, gripper_named(gripper), views)
        progress.say("write")
        problem = pddl_problem(scene.graph, args.pddl_goal) if args.pddl else ""
        drawn = list(grasps.values())
        failed = write_scene(scene, directory, views[-1], not args.no_pictures, drawn)
        if args.pddl:
            write_pddl(args.pddl, pddl_domain(scene.graph), problem)
        progress.finish()
    for warning in (*scene.warnings, *failed):
        _warn(warning)
    print(format_table(scene))
    for number, found in grasps.items():
        print(f"{scene[number].label} {number}: {found.summary}")
    print(f"written to {directory}/: {', '.join(sorted(p.name for p in directory.iterdir()))}")
    if args.pddl:
        print(f"for task planners: {args.pddl[0]}, {args.pddl[1]}")


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
    rows = [("id", "label", f"size {unit}", "observed", "confidence", "seconds")]
    for item in scene.objects:
        size = " x ".join(f"{100 * edge:.1f}" for edge in item.size)
        observed = f"{100 * item.observed_fraction:.0f} %"
        numbers = f"{item.confidence:.2f}", f"{item.seconds:.2f}"
        rows.append((str(item.id), item.label, size, observed, *numbers))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[1] = row[1].ljust(widths[1])
        lines.append("  ".join(cells))
    lines += [f"skipped {s.id} {s.label}: {s.reason}" for s in scene.skipped]
    lines.append(f"{len(scene.objects)} objects in {scene.timings.total:.2f} s")
    return "\n".join(lines)
