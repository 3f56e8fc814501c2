"""What an evaluation found: tables for people, every object's scores as CSV."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from iscene_ros.lab.evaluation.machine import this_machine
from iscene_ros.lab.evaluation.metrics import Score
from iscene_ros.lab.evaluation.rendered_scenes import MODEL, ScoredObject, ScoredScene
from iscene_ros.lab.evaluation.report import (
    Row,
    csv_of,
    group_rows,
    markdown,
    method_rows,
    write_text,
)

CALIBRATION_BINS = 10


@dataclass(frozen=True)
class ScoredWhole:
    """One scene as a whole by one method."""

    method: str
    score: Score


@dataclass(frozen=True)
class Results:
    """All scores of an evaluation."""

    objects: tuple[ScoredObject, ...]
    wholes: tuple[ScoredWhole, ...]

    @classmethod
    def collect(cls, scenes: Iterable[ScoredScene | None]) -> Results:
        """Gather the scores of scene after scene."""
        objects: list[ScoredObject] = []
        wholes: list[ScoredWhole] = []
        for scene in scenes:
            if scene is not None:
                objects += scene.objects
                wholes += [ScoredWhole(m, s) for m, s in scene.wholes.items()]
        return cls(tuple(objects), tuple(wholes))

    def object_rows(self) -> list[Row]:
        """A row a method: means over objects."""
        return method_rows(self.objects)

    def of_model(self) -> list[ScoredObject]:
        """The model's own objects that it completed."""
        return [o for o in self.objects if o.method == MODEL and not o.score.is_missing]

    def report(self) -> str:
        """Everything as Markdown."""
        parts = [
            f"Objects (means over instances):\n\n{markdown(self.object_rows())}",
            f"Scenes as a whole:\n\n{markdown(method_rows(self.wholes))}",
            f"By layout:\n\n{markdown(group_rows(self.objects, lambda o: o.layout), 'layout')}",
            f"By family:\n\n{markdown(group_rows(self.objects, lambda o: o.family))}",
            self._reported(),
            f"Machine: {this_machine()}\n",
        ]
        return "\n".join(parts)

    def write(self, directory: Path) -> None:
        """Write report.md and objects.csv."""
        write_text(directory / "report.md", self.report())
        write_text(directory / "objects.csv", csv_of(_lines(self.objects)))

    def _reported(self) -> str:
        """How well the model knows its own results."""
        own = self.of_model()
        if len(own) < 2:
            return ""
        overlaps = np.array([o.score.iou for o in own])
        confidence = np.array([o.confidence for o in own])
        residual = np.median([o.depth_residual for o in own])
        return (
            f"Confidence: expected calibration error "
            f"{expected_calibration_error(confidence, overlaps):.3f}, correlation with IoU "
            f"{np.corrcoef(confidence, overlaps)[0, 1]:.2f}\n"
            f"Observed points to the mesh: median {1000 * residual:.2f} mm\n"
        )


def expected_calibration_error(confidence: np.ndarray, overlaps: np.ndarray) -> float:
    """Mean |confidence - overlap| over ten bins of confidence, weighted by their size."""
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    error = 0.0
    for number in range(CALIBRATION_BINS):
        chosen = bins == number
        if chosen.any():
            gap = abs(confidence[chosen].mean() - overlaps[chosen].mean())
            error += float(chosen.mean() * gap)
    return error


def _lines(objects: Iterable[ScoredObject]) -> list[list[object]]:
    lines: list[list[object]] = [
        ["scene", "instance", "family", "layout", "method", "iou", "box_iou", "chamfer_m"]
        + ["f_5mm", "f_10mm", "confidence", "observed_fraction", "depth_residual_m"]
    ]
    for o in objects:
        what = [o.scene, o.instance, o.family, o.layout, o.method]
        reported = [o.confidence, o.observed_fraction, o.depth_residual]
        lines.append([*what, *astuple(o.score), *reported])
    return lines
