"""Success of executed grasps as tables, calibration of their scores, and the fit of these."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.atomic_files import write_text
from iscene_ros.core.errors import InputError
from iscene_ros.lab.evaluation.clearing import evaluate_clearing
from iscene_ros.lab.evaluation.grasp_methods import COMPLETED, TRUE_MESHES
from iscene_ros.lab.evaluation.grasp_scenes import Trial, grasp_trials
from iscene_ros.lab.evaluation.relation_fit import fit_logistic
from iscene_ros.lab.evaluation.reports import csv_text, markdown_table, print_report
from iscene_ros.lab.evaluation.settled_scenes import SettledOptions
from iscene_ros.lab.evaluation.twin_rest import evaluate_twins_at_rest
from iscene_ros.planning import grasp_coefficients
from iscene_ros.planning.grasp_score import FEATURES
from iscene_ros.planning.grippers import gripper_named

# Bins of equal size for the calibration error.
BINS = 5


def evaluate_grasps(completer: SceneCompleter, args: argparse.Namespace) -> None:
    """Execute grasps, print the tables and write them, or fit the score; see `iscene evaluate`."""
    options, gripper = SettledOptions.from_arguments(args), gripper_named(args.gripper)
    if args.twin:
        print_report(args.out / "twin.md", evaluate_twins_at_rest(completer, options))
        return
    if args.clear:
        table = evaluate_clearing(completer, options, gripper)
        print_report(args.out / f"clearing_{gripper.name}.md", table)
        return
    trials = list(grasp_trials(completer, options, gripper, args.fit))
    if not any(t.outcome is not None for t in trials):
        raise InputError(f"evaluate grasps: no grasp in {options.scenes} scenes: take more")
    path = args.out / f"grasps_{gripper.name}.csv"
    write_text(path, grasp_csv(trials))
    print_report(path.with_suffix(".md"), grasp_report(trials))
    if args.fit:
        print(f"written into {write_coefficients(trials)}", file=sys.stderr)


def grasp_report(trials: Sequence[Trial]) -> str:
    """Return the tables of methods and of kinds of scenes, and the calibration, as Markdown."""
    groups: dict[tuple[str, int], list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[trial.method, trial.views].append(trial)
    best = _share(t.success for t in trials if t.method == TRUE_MESHES)
    kinds = sorted({t.arrangement for t in trials})
    lines = [
        [
            *("meshes", "views", "objects", "with a grasp [%]", "picked [%]", "of true meshes [%]"),
            *("picked of executed [%]", "collided [%]", "knocked over [%]"),
        ]
    ]
    by_kind = [["picked [%]", *kinds]]
    for (method, views), own in groups.items():
        tried = [t.outcome for t in own if t.outcome is not None]
        picked = _share(t.success for t in own)
        shares = [len(tried) / len(own), picked, picked / best if best else np.nan]
        shares += [_share(getattr(o, name) for o in tried) for name in ("success", "collided")]
        shares.append(_share(o.knocked for o in tried))
        cells = [f"{100 * share:.1f}" for share in shares]
        lines.append([method, str(views or "-"), str(len(own)), *cells])
        if method in (TRUE_MESHES, COMPLETED):
            picked = (_share(t.success for t in own if t.arrangement == kind) for kind in kinds)
            name = f"{method}, {views} views" if views else method
            by_kind.append([name, *(f"{100 * share:.1f}" for share in picked)])
    scored = [t for t in trials if t.method == COMPLETED and t.outcome is not None]
    error = calibration_error(
        np.array([t.score for t in scored]), np.array([t.success for t in scored])
    )
    return (
        f"{markdown_table(lines)}\nCalibration error of the score, completed meshes, "
        f"{len(scored)} grasps, {BINS} bins: {error:.3f}.\n\n{markdown_table(by_kind)}"
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


def _share(values: Iterable[bool]) -> float:
    values = list(values)
    return float(np.mean(values)) if values else float("nan")
