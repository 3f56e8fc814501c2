"""Metrics of a run as CSV and as a image of curves."""

from __future__ import annotations

import csv
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

# Decay of the running mean of the training loss, per step.
SMOOTHING = 0.99


@dataclass(frozen=True)
class LogRow:
    """One evaluation.

    Attributes:
        phase: Name of the phase.
        step, seconds: Total steps and training time [s] of the run.
        training_loss: Running mean of the objective.
        held_out_loss, held_out_iou: Scores as in `HeldOutScore`.
    """

    phase: str
    step: int
    seconds: float
    training_loss: float
    held_out_loss: float
    held_out_iou: float


class TrainLog:
    """Appends to metrics.csv and redraws curves.png.

    Attributes:
        smooth_loss: Running mean of the training loss; NaN before the first step.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "metrics.csv"
        self.image = directory / "curves.png"
        self.smooth_loss = math.nan

    def add_step(self, loss: float) -> None:
        """Fold the loss of one step into the running mean."""
        if math.isnan(self.smooth_loss):
            self.smooth_loss = loss
        else:
            self.smooth_loss = SMOOTHING * self.smooth_loss + (1 - SMOOTHING) * loss

    def add_evaluation(self, row: LogRow) -> None:
        """Append a row and redraw the curves."""
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [f.name for f in fields(LogRow)])
            if new:
                writer.writeheader()
            writer.writerow(asdict(row))
        draw_curves(self.path, self.image)


def draw_curves(metrics: Path, image: Path) -> None:
    """Draw losses and held-out overlap over minutes; without matplotlib nothing is drawn."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    with metrics.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    minutes = [float(r["seconds"]) / 60 for r in rows]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    losses, overlap = figure.subplots(1, 2)
    objective = [float(r["training_loss"]) for r in rows]
    losses.plot(minutes, objective, label="training objective")
    held_out = [float(r["held_out_loss"]) for r in rows]
    losses.plot(minutes, held_out, label="held-out families, mean |x0 error|")
    losses.set(xlabel="minutes of training", ylabel="loss")
    losses.legend()
    overlap.plot(minutes, [100 * float(r["held_out_iou"]) for r in rows], "o-", markersize=3)
    overlap.set(xlabel="minutes of training", ylabel="held-out voxel IoU [%]")
    for axes in (losses, overlap):
        for minute, row, following in zip(minutes, rows, rows[1:], strict=False):
            if row["phase"] != following["phase"]:
                axes.axvline(minute, color="gray", linestyle=":", linewidth=1)
    figure.savefig(image, dpi=110)
