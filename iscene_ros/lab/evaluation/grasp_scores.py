"""Success of executed grasps as tables, calibration of their scores, and the fit of these."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.atomic_files import write_text
from iscene_ros.core.errors import InputError
from iscene_ros.lab.evaluation.clearing import evaluate_clearing
from iscene_ros.lab.evaluation.grasp_methods import COMPLETED, TRUE_MESHES
from iscene_ros.lab.evaluation.grasp_scenes import GraspOptions, Trial, grasp_trials
from iscene_ros.lab.evaluation.relation_fit import fit_logistic
from iscene_ros.lab.evaluation.reports import csv_text, markdown_table, print_report
from iscene_ros.lab.evaluation.twin_rest import evaluate_twins_at_rest
from iscene_ros.planning import grasp_coefficients
from iscene_ros.planning.grasp_score import FEATURES
from iscene_ros.planning.grippers import gripper_named

# Bins of equal size for the calibration error.
BINS = 5


def evaluate_grasps(completer: SceneCompleter, args: argparse.Namespace) -> None:
    """Execute grasps, print the tables and write them, or fit the score; see `iscene evaluate`."""
    with tqdm(total=args.scenes, unit="scene") as bar:
        options = _options(args, bar.set_description)
        if args.twin:
            table = evaluate_twins_at_rest(completer, options, bar.update)
            print_report(args.out / "twin.md", table)
            return
        if args.clear:
            table = evaluate_clearing(completer, options, bar.update)
            print_report(args.out / f"clearing_{args.gripper}.md", table)
            return
        trials: list[Trial] = []
        for found in grasp_trials(completer, options):
            trials += found
            bar.update()
    if not any(t.outcome is not None for t in trials):
        raise InputError(f"evaluate grasps: no grasp in {options.scenes} scenes: take more")
    name = f"grasps_{args.gripper}"
    write_text(args.out / f"{name}.csv", grasp_csv(trials))
    print_report(args.out / f"{name}.md", grasp_report(trials))
    if options.fit:
        print(f"written into {write_coefficients(trials)}", file=sys.stderr)


def _options(args: argparse.Namespace, report: Callable[[str], None]) -> GraspOptions:
    return GraspOptions(
        scenes=args.scenes,
        seed=args.seed,
        held_out=args.families == "held_out",
        shapes=args.shapes,
        directory=args.out,
        gripper=gripper_named(args.gripper),
        fit=args.fit,
        report=report,
    )


def grasp_report(trials: Sequence[Trial]) -> str:
    """Return the table of methods, the commonest reasons and the calibration as Markdown."""
    groups = _groups(trials)
    true = groups.get((TRUE_MESHES, 0), [])
    best = np.mean([t.success for t in true]) if true else np.nan
    lines = [
        [
            *("meshes", "views", "objects", "with a grasp [%]", "picked [%]", "of true meshes [%]"),
            *("picked of executed [%]", "collided [%]", "knocked over [%]"),
        ]
    ]
    for (method, views), own in groups.items():
        tried = [t.outcome for t in own if t.outcome is not None]
        picked = float(np.mean([t.success for t in own]))
        shares = [len(tried) / len(own), picked, picked / best if best else np.nan]
        shares += [_share(getattr(o, name) for o in tried) for name in ("success", "collided")]
        shares.append(_share(o.knocked for o in tried))
        cells = [f"{100 * share:.1f}" for share in shares]
        lines.append([method, str(views or "-"), str(len(own)), *cells])
    scored = [t for t in trials if t.method == COMPLETED and t.outcome is not None]
    error = calibration_error(
        np.array([t.score for t in scored]), np.array([t.success for t in scored])
    )
    return (
        f"{markdown_table(lines)}\nCalibration error of the score, completed meshes, "
        f"{len(scored)} grasps, {BINS} bins: {error:.3f}.\n\n{_arrangements(trials)}"
    )


def grasp_csv(trials: Sequence[Trial]) -> str:
    """Return one line a trial."""
    heading = ["scene", "target", "arrangement", "family", "method", "views", "reason", "score"]
    heading += [*FEATURES, "collided", "lifted", "knocked"]
    lines: list[list[object]] = [heading]
    for t in trials:
        about = [t.scene, t.target, t.arrangement, t.family, t.method, t.views, t.reason]
        features = [round(f, 4) for f in t.features] or [""] * len(FEATURES)
        outcome = ["", "", ""]
        if t.outcome is not None:
            outcome = [int(v) for v in (t.outcome.collided, t.outcome.lifted, t.outcome.knocked)]
        lines.append([*about, round(t.score, 4), *features, *outcome])
    return csv_text(lines)


def calibration_error(scores: np.ndarray, holds: np.ndarray) -> float:
    """Return the mean distance of score and success over bins of equally many grasps."""
    if not len(scores):
        return float("nan")
    order = np.argsort(scores)
    bins = [b for b in np.array_split(order, BINS) if len(b)]
    gaps = [len(b) * abs(float(scores[b].mean() - holds[b].mean())) for b in bins]
    return sum(gaps) / len(scores)


def write_coefficients(trials: Sequence[Trial]) -> Path:
    """Fit the score to executed grasps, write it into the package and return its path."""
    tried = [t for t in trials if t.outcome is not None]
    features = np.array([t.features for t in tried])
    fitted = fit_logistic(features, np.array([t.success for t in tried], float))
    path = Path(grasp_coefficients.__file__)
    write_text(
        path,
        f'"""{grasp_coefficients.__doc__.strip()}"""\n\nfrom __future__ import annotations\n\n'
        f"# The constant, then one for each of `grasp_score.FEATURES`.\nCOEFFICIENTS = {fitted}\n",
    )
    return path


def _groups(trials: Sequence[Trial]) -> dict[tuple[str, int], list[Trial]]:
    groups: dict[tuple[str, int], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.method, trial.views), []).append(trial)
    return groups


def _arrangements(trials: Sequence[Trial]) -> str:
    """Return the success of true and completed meshes by kind of scene."""
    kinds = sorted({t.arrangement for t in trials})
    lines = [["picked [%]", *kinds]]
    for (method, views), own in _groups(trials).items():
        if method in (TRUE_MESHES, COMPLETED):
            cells = [_share(t.success for t in own if t.arrangement == kind) for kind in kinds]
            name = f"{method}, {views} views" if views else method
            lines.append([name, *(f"{100 * cell:.1f}" for cell in cells)])
    return markdown_table(lines)


def _share(values: Iterable[bool]) -> float:
    values = list(values)
    return float(np.mean(values)) if values else float("nan")
