"""Results of an evaluation of shapes: tables by method, layout and family, every object as CSV."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from scipy.stats import spearmanr

from iscene_ros.lab.evaluation.metrics import Score, summary
from iscene_ros.lab.evaluation.reports import csv_text, markdown_table
from iscene_ros.lab.evaluation.scenes import MODEL, ScoredObject, ScoredScene

CALIBRATION_BINS = 10


HEADINGS = ("IoU [%]", "Box IoU [%]", "CD [mm]", "F@5mm [%]", "F@10mm [%]", "n", "missing")


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
    lines = [[*names, *HEADINGS]]
    for key in sorted(members, key=lambda key: key[:-1]):
        found = summary(members[key])
        mean = found.mean
        shares = (mean.iou, mean.box_iou, mean.f_5mm, mean.f_10mm)
        iou, box_iou, *f_scores = (f"{100 * share:.1f}" for share in shares)
        cells = [iou, box_iou, f"{1000 * mean.chamfer:.2f}", *f_scores]
        cells = ["-" if cell == "nan" else cell for cell in cells]
        lines.append([*key, *cells, str(found.count), str(found.missing)])
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

    def report(self) -> str:
        """Return all tables as Markdown."""
        by_method = [((o.method,), o.score) for o in self.objects]
        wholes = [((method,), score) for method, score in self.wholes]
        by_layout = [((o.layout, o.method), o.score) for o in self.objects]
        by_family = [((o.family, o.method), o.score) for o in self.objects]
        return (
            f"Objects (means over instances):\n\n{score_table(['method'], by_method)}\n"
            f"Scenes as a whole:\n\n{score_table(['method'], wholes)}\n"
            f"By layout:\n\n{score_table(['layout', 'method'], by_layout)}\n"
            f"By family:\n\n{score_table(['family', 'method'], by_family)}\n{self._reported()}"
        )

    def csv(self) -> str:
        """Return every object as a line of CSV."""
        return csv_text(object_lines(self.objects))

    def _reported(self) -> str:
        """Return the calibration of the model's confidence and its depth residual as text."""
        own = [o for o in self.objects if o.method == MODEL and not o.score.is_missing]
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
