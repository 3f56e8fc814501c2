"""An ablation as a table: mean and spread over seeds, differences by pairs of equal seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields

import numpy as np

from iscene_ros.lab.evaluation.machine import this_machine
from iscene_ros.lab.training.ablation import RunResult
from iscene_ros.lab.training.ablation_config import Ablation

# (heading, attribute of RunResult), in percent.
SCORES = (
    ("voxel IoU [%]", "voxel_iou"),
    ("object IoU [%]", "object_iou"),
    ("F@5mm [%]", "f_5mm"),
    ("IoU, unseen layouts [%]", "unseen_iou"),
)


def ablation_report(ablation: Ablation, results: Sequence[RunResult], command: str) -> str:
    """Markdown: the table, how to read it, and by what it was made."""
    scores = [s for s in SCORES if any(np.isfinite(getattr(r, s[1])) for r in results)]
    compared = "object_iou" if len(scores) > 1 else "voxel_iou"
    heads = ["variant", "what differs", "seeds", "steps", *(heading for heading, _ in scores)]
    heads += ["difference"]
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for variant in ablation.variants:
        own = [r for r in results if r.variant == variant.name]
        other = [r for r in results if r.variant == variant.against]
        cells = [variant.name, variant.says, str(len(own)), _span([r.steps for r in own])]
        cells += [mean_and_spread([getattr(r, name) for r in own]) for _, name in scores]
        difference = _difference(own, other, compared)
        cells.append(f"{difference} against {variant.against}" if difference else "")
        lines.append(f"| {' | '.join(cells)} |")
    table = "\n".join(lines)
    return f"{table}\n\n{_notes(ablation, results, compared)}\n`{command}`\n\n{this_machine()}\n"


def ablation_csv(results: Sequence[RunResult]) -> str:
    """Every run."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(RunResult)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(r) for r in results)
    return text.getvalue()


def mean_and_spread(values: Sequence[float]) -> str:
    """In percent, with the standard deviation of a sample where there are two or more."""
    numbers = 100 * np.array(values)
    if not len(numbers) or not np.isfinite(numbers).all():
        return "-"
    if len(numbers) == 1:
        return f"{numbers[0]:.1f}"
    return f"{numbers.mean():.1f} ± {numbers.std(ddof=1):.1f}"


def _difference(own: Sequence[RunResult], other: Sequence[RunResult], score: str) -> str:
    """Own minus the other's, pair by pair of equal seeds; "" without a pair."""
    of_seed = {r.seed: getattr(r, score) for r in other}
    pairs = [getattr(r, score) - of_seed[r.seed] for r in own if r.seed in of_seed]
    text = mean_and_spread(pairs) if pairs else "-"
    return "" if text == "-" else text if text.startswith("-") else f"+{text}"


def _notes(ablation: Ablation, results: Sequence[RunResult], compared: str) -> str:
    name = dict((attribute, heading) for heading, attribute in SCORES)[compared]
    lines = [
        f"Mean ± standard deviation over seeds. Difference: of the {name[:-4]}, points, seed by "
        "seed. Voxel IoU: held-out samples in the run's own cubes, so it does not compare "
        "variants whose cubes or frames differ."
    ]
    scoring = ablation.scoring
    if results and scoring.scenes:
        unseen = ""
        if scoring.unseen_layouts:
            layouts = ", ".join(scoring.unseen_layouts)
            unseen = f"; unseen layouts: {layouts} ({results[0].unseen_objects} objects)"
        lines.append(
            f"Object IoU and F@5mm: {results[0].objects} objects of held-out families in "
            f"{scoring.scenes} rendered scenes (seed {scoring.seed}){unseen}."
        )
    seconds = [r.seconds for r in results]
    if seconds:
        lines.append(f"Training took {min(seconds):.0f} to {max(seconds):.0f} s a run.")
    return "\n".join(lines) + "\n"


def _span(numbers: Sequence[int]) -> str:
    if not numbers:
        return "-"
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"
