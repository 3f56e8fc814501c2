"""Results of an evaluation of shapes: tables by method, layout and family, every object as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from iscene_ros.lab.evaluation.metrics import Score, Summary, summary
from iscene_ros.lab.evaluation.reports import csv_text, markdown_table, this_machine, write_text
from iscene_ros.lab.evaluation.scenes import MODEL, ScoredObject, ScoredScene

ALL = "all"
CALIBRATION_BINS = 10


class Scored(Protocol):
    """One score of a method."""

    method: str
    score: Score


@dataclass(frozen=True)
class Row:
    """Scores of one method on one group of objects, such as a family, or on all."""

    method: str
    group: str
    summary: Summary


@dataclass(frozen=True)
class Column:
    """A column of the table: its heading, its value, and the decimals in Markdown."""

    heading: str
    value: Callable[[Summary], float]
    decimals: int = 1


COLUMNS = (
    Column("IoU [%]", lambda s: 100 * s.mean.iou),
    Column("Box IoU [%]", lambda s: 100 * s.mean.box_iou),
    Column("CD [mm]", lambda s: 1000 * s.mean.chamfer, decimals=2),
    Column("F@5mm [%]", lambda s: 100 * s.mean.f_5mm),
    Column("F@10mm [%]", lambda s: 100 * s.mean.f_10mm),
    Column("n", lambda s: s.count, decimals=0),
    Column("missing", lambda s: s.missing, decimals=0),
)


def method_rows(scored: Iterable[Scored]) -> list[Row]:
    """Return one row a method, in the order of their first score."""
    scored = list(scored)
    methods = dict.fromkeys(one.method for one in scored)
    return [
        Row(method, ALL, summary(one.score for one in scored if one.method == method))
        for method in methods
    ]


def group_rows(scored: Iterable[Scored], group_of: Callable[[Scored], str]) -> list[Row]:
    """Return one row a group and method, groups in alphabetical order."""
    scored = list(scored)
    rows = []
    for group in sorted({group_of(one) for one in scored}):
        members = [one for one in scored if group_of(one) == group]
        rows += [Row(row.method, group, row.summary) for row in method_rows(members)]
    return rows


def score_table(rows: Sequence[Row], group: str = "family") -> str:
    """Return a Markdown table, with a column of groups where there are several."""
    grouped = any(row.group != ALL for row in rows)
    names = [group, "method"] if grouped else ["method"]
    lines = [[*names, *(column.heading for column in COLUMNS)]]
    for row in rows:
        cells = [f"{column.value(row.summary):.{column.decimals}f}" for column in COLUMNS]
        lines.append([row.group, row.method, *cells] if grouped else [row.method, *cells])
    return markdown_table(lines, text_columns=len(names))


@dataclass(frozen=True)
class ScoredWhole:
    """Score of one scene as a whole by one method."""

    method: str
    score: Score


@dataclass(frozen=True)
class Results:
    """All scores of an evaluation of shapes."""

    objects: tuple[ScoredObject, ...]
    wholes: tuple[ScoredWhole, ...]

    @classmethod
    def collect(cls, scenes: Iterable[ScoredScene | None]) -> Results:
        """Collect the scores of many scenes."""
        objects: list[ScoredObject] = []
        wholes: list[ScoredWhole] = []
        for scene in scenes:
            if scene is not None:
                objects += scene.objects
                wholes += [ScoredWhole(m, s) for m, s in scene.wholes.items()]
        return cls(tuple(objects), tuple(wholes))

    def object_rows(self) -> list[Row]:
        """Return one row a method: means over objects."""
        return method_rows(self.objects)

    def of_model(self) -> list[ScoredObject]:
        """Return the objects that the model completed."""
        return [o for o in self.objects if o.method == MODEL and not o.score.is_missing]

    def report(self) -> str:
        """Return all tables as Markdown."""
        parts = [
            f"Objects (means over instances):\n\n{score_table(self.object_rows())}",
            f"Scenes as a whole:\n\n{score_table(method_rows(self.wholes))}",
            f"By layout:\n\n{score_table(group_rows(self.objects, lambda o: o.layout), 'layout')}",
            f"By family:\n\n{score_table(group_rows(self.objects, lambda o: o.family))}",
            self._reported(),
            f"Machine: {this_machine()}\n",
        ]
        return "\n".join(parts)

    def write(self, directory: Path) -> None:
        """Write report.md and objects.csv."""
        write_text(directory / "report.md", self.report())
        write_text(directory / "objects.csv", csv_text(_lines(self.objects)))

    def _reported(self) -> str:
        """Return the calibration of the model's confidence and its depth residual as text."""
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
    """Return the mean |confidence - IoU| over ten bins of confidence, weighted by their size.

    Args:
        confidence: (M,) in [0, 1].
        overlaps: (M,) true IoU, or 1 and 0 for right and wrong.
    """
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
