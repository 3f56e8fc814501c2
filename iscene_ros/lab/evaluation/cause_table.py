"""Which cause costs how much: one row a cause, and every object's measures as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iscene_ros.lab.evaluation.causes import Cause, main_cause
from iscene_ros.lab.evaluation.inspection import Explained
from iscene_ros.lab.evaluation.report import csv_of, markdown_table

NONE = "none of these"
HEADINGS = (
    *("cause", "objects", "alone", "IoU with [%]", "IoU without [%]"),
    *("gain [points]", "gain, others held [points]"),
)
EXPLANATION = """\
Causes are measured against the truth; the limits and their reasons are in
`iscene_ros/evaluation/galleries/causes.py`. An object may have several causes; `alone` counts those
with no other one. `gain`: by how much the mean IoU of all objects would rise if those with the
cause were as good as those without. `others held`: the same from a linear fit of the IoU to all
causes at once, which does not count twice what two causes share. A negative gain says that objects
with the cause are no worse. Both say what goes together with a low score, not what a change would
bring.
"""


@dataclass(frozen=True)
class CauseRow:
    """One cause over all objects.

    Attributes:
        name: of the cause, or "none of these".
        count: objects that have it; alone: those that have no other one.
        iou_with, iou_without: mean IoU in [0, 1]; NaN over no objects.
        gain: what the mean IoU of all would gain if those with it were as good as the rest.
        gain_held: the same where the other causes are held fixed; NaN for "none of these".
    """

    name: str
    count: int
    alone: int
    iou_with: float
    iou_without: float
    gain: float
    gain_held: float


def cause_rows(objects: Sequence[Explained]) -> list[CauseRow]:
    """One row a cause, the largest gain with the others held fixed first; last, those without."""
    if not objects:
        return []
    overlaps = np.array([o.scored.score.iou for o in objects])
    has = np.array([[cause in o.causes for cause in Cause] for o in objects], dtype=bool)
    held = _effects(has, overlaps)
    single = has.sum(axis=1) == 1
    rows = [
        _row(cause.value, has[:, i], int((has[:, i] & single).sum()), overlaps, held[i])
        for i, cause in enumerate(Cause)
    ]
    rows.sort(key=lambda row: -row.gain_held)
    free = ~has.any(axis=1)
    return [*rows, _row(NONE, free, int(free.sum()), overlaps, float("nan"))]


def cause_report(objects: Sequence[Explained]) -> str:
    """The table of causes as Markdown, with what it means."""
    lines = [list(HEADINGS)]
    for row in cause_rows(objects):
        gain = float("nan") if row.name == NONE else row.gain
        values = (row.iou_with, row.iou_without, gain, row.gain_held)
        cells = ["-" if np.isnan(v) else f"{100 * v + 0:.1f}" for v in values]
        lines.append([row.name, str(row.count), str(row.alone), *cells])
    mean = 100 * float(np.mean([o.scored.score.iou for o in objects])) if objects else 0.0
    heading = f"Causes ({len(objects)} objects, mean IoU {mean:.1f} %):"
    return f"{heading}\n\n{markdown_table(lines)}\n{EXPLANATION}"


def cause_csv(objects: Sequence[Explained]) -> str:
    """Every object's measures and causes."""
    lines: list[list[object]] = [
        ["scene", "instance", "family", "layout", "iou", "chamfer_m", "main_cause", "causes"]
        + ["thickness_voxels", "thin_share", "cavity_share", "extent_m"]
        + ["mask_pixels", "visible_share", "unread_share", "foreign_share", "foreign_readings"]
        + ["outside_share", "cube_ratio", "gap_m", "intrusion_share"]
    ]
    for o in objects:
        s, m, main = o.scored, o.measures, main_cause(o.causes)
        measured = [
            *(m.shape.thickness, m.shape.thin_share, m.shape.cavity_share, m.shape.extent),
            *(m.mask.pixels, m.mask.visible_share, m.mask.unread_share),
            *(m.mask.foreign_share, m.mask.foreign_readings),
            *(m.crop.outside_share, m.crop.cube_ratio, m.contact.gap, m.contact.intrusion_share),
        ]
        lines.append(
            [s.scene, s.instance, s.family, s.layout, f"{s.score.iou:.4f}"]
            + [f"{s.score.chamfer:.5f}", main.value if main else NONE]
            + ["; ".join(cause.value for cause in o.causes), *(f"{v:.6g}" for v in measured)]
        )
    return csv_of(lines)


def _row(name: str, has: np.ndarray, alone: int, overlaps: np.ndarray, effect: float) -> CauseRow:
    count = int(has.sum())
    with_it = float(overlaps[has].mean()) if count else float("nan")
    without = float(overlaps[~has].mean()) if count < len(has) else float("nan")
    share = count / len(has)
    gain = share * (without - with_it) if 0 < count < len(has) else 0.0
    return CauseRow(name, count, alone, with_it, without, gain, 0.0 - share * effect)


def _effects(has: np.ndarray, overlaps: np.ndarray) -> np.ndarray:
    """(C,) change of the IoU with each cause, the others held fixed; 0 where nobody has it."""
    design = np.column_stack([np.ones(len(has)), has.astype(float)])
    fitted, *_ = np.linalg.lstsq(design, overlaps, rcond=None)
    return np.where(has.any(axis=0), fitted[1:], 0.0)
