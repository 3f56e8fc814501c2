"""Results of an evaluation of shapes: tables by method, layout and family, every object as CSV."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from scipy.stats import spearmanr

from iscene_ros.lab.evaluation.metrics import Score, Summary, summary
from iscene_ros.lab.evaluation.reports import csv_text, markdown_table
from iscene_ros.lab.evaluation.scenes import MODEL, ScoredObject, ScoredScene

CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Column:
    """A column of the table: its heading, its value, and the decimals in Markdown."""

    heading: str
    value: Callable[[Summary], float]
    decimals: int = 1

    def cell(self, scores: Summary) -> str:
        """Return the value as text; a dash where a method has none."""
        value = self.value(scores)
        return "-" if np.isnan(value) else f"{value:.{self.decimals}f}"


COLUMNS = (
    Column("IoU [%]", lambda s: 100 * s.mean.iou),
    Column("Box IoU [%]", lambda s: 100 * s.mean.box_iou),
    Column("CD [mm]", lambda s: 1000 * s.mean.chamfer, decimals=2),
    Column("F@5mm [%]", lambda s: 100 * s.mean.f_5mm),
    Column("F@10mm [%]", lambda s: 100 * s.mean.f_10mm),
    Column("n", lambda s: s.count, decimals=0),
    Column("missing", lambda s: s.missing, decimals=0),
)


def score_table(names: Sequence[str], scored: Iterable[tuple[tuple[str, ...], Score]]) -> str:
    """Return a Markdown table of the means of scores with equal keys.

    Args:
        names: Headings of the parts of a key, the method last.
        scored: Keys and their scores. Rows are sorted by the parts before the method; methods are
            in the order of their first score.
    """
    members: dict[tuple[str, ...], list[Score]] = defaultdict(list)
    for key, score in scored:
        members[key].append(score)
    lines = [[*names, *(column.heading for column in COLUMNS)]]
    for key in sorted(members, key=lambda key: key[:-1]):
        mean = summary(members[key])
        lines.append([*key, *(column.cell(mean) for column in COLUMNS)])
    return markdown_table(lines, text_columns=len(names))


@dataclass(frozen=True)
class Results:
    """All scores of an evaluation of shapes.

    Attributes:
        objects: Scores of the objects of all scenes.
        wholes: Method and score of every scene as a whole.
    """

    objects: tuple[ScoredObject, ...]
    wholes: tuple[tuple[str, Score], ...]

    @classmethod
    def collect(cls, scenes: Iterable[ScoredScene | None]) -> Results:
        """Collect the scores of many scenes."""
        scored = [scene for scene in scenes if scene is not None]
        objects = tuple(found for scene in scored for found in scene.objects)
        return cls(objects, tuple(whole for scene in scored for whole in scene.wholes.items()))

    def of_model(self) -> list[ScoredObject]:
        """Return the objects that the model completed."""
        return [o for o in self.objects if o.method == MODEL and not o.score.is_missing]

    def report(self) -> str:
        """Return all tables as Markdown."""
        by_method = [((o.method,), o.score) for o in self.objects]
        wholes = [((method,), score) for method, score in self.wholes]
        by_layout = [((o.layout, o.method), o.score) for o in self.objects]
        by_family = [((o.family, o.method), o.score) for o in self.objects]
        parts = [
            f"Objects (means over instances):\n\n{score_table(['method'], by_method)}",
            f"Scenes as a whole:\n\n{score_table(['method'], wholes)}",
            f"By layout:\n\n{score_table(['layout', 'method'], by_layout)}",
            f"By family:\n\n{score_table(['family', 'method'], by_family)}",
            self._reported(),
        ]
        return "\n".join(parts)

    def csv(self) -> str:
        """Return every object as a line of CSV."""
        return csv_text(object_lines(self.objects))

    def _reported(self) -> str:
        """Return the calibration of the model's confidence and its depth residual as text."""
        own = self.of_model()
        if len(own) < 2:
            return ""
        overlaps = np.array([o.score.iou for o in own])
        confidence = np.array([o.confidence for o in own])
        residual = np.median([o.depth_residual for o in own])
        sizes = np.array([o.score.size_error for o in own])
        uncertainty = np.array([o.uncertainty for o in own])
        return (
            f"Confidence: expected calibration error "
            f"{expected_calibration_error(confidence, overlaps):.3f}, correlation with IoU "
            f"{np.corrcoef(confidence, overlaps)[0, 1]:.2f}\n"
            f"Observed points to the mesh: median {1000 * residual:.2f} mm\n"
            f"Extents along principal axes: mean error {1000 * sizes.mean():.2f} mm, rank "
            f"correlation with the confidence {_rank_correlation(confidence, sizes):.2f}, with "
            f"the reported uncertainty {_rank_correlation(uncertainty, sizes):.2f}\n"
        )


def _rank_correlation(reported: np.ndarray, errors: np.ndarray) -> float:
    """Return Spearman's; NaN where fewer than three are known, or all are equal."""
    known = np.isfinite(reported) & np.isfinite(errors)
    reported, errors = reported[known], errors[known]
    if len(errors) < 3 or np.ptp(reported) == 0 or np.ptp(errors) == 0:
        return float("nan")
    return float(spearmanr(reported, errors).statistic)


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


def object_lines(objects: Iterable[ScoredObject]) -> list[list[object]]:
    """Return the heading of the table of objects, and a line for each object."""
    lines: list[list[object]] = [
        ["scene", "instance", "family", "layout", "method", "iou", "box_iou", "chamfer_m"]
        + ["f_5mm", "f_10mm", "size_error_m"]
        + ["confidence", "observed_fraction", "depth_residual_m", "uncertainty_m"]
    ]
    for o in objects:
        what = [o.scene, o.instance, o.family, o.layout, o.method]
        reported = [o.confidence, o.observed_fraction, o.depth_residual, o.uncertainty]
        lines.append([*what, *astuple(o.score), *reported])
    return lines
