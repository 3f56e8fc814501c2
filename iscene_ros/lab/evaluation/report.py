"""Tables of scores, as Markdown and CSV: a row a method, or a row a method and group of objects."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from iscene_ros.core import atomic_files
from iscene_ros.core.errors import InputError

if TYPE_CHECKING:
    from iscene_ros.lab.evaluation.metrics import Score, Summary

ALL = "all"


class Scored(Protocol):
    """One score, and by whom."""

    method: str
    score: Score


@dataclass(frozen=True)
class Row:
    """The scores of one method on one group of objects, such as a family, or on all."""

    method: str
    group: str
    summary: Summary


@dataclass(frozen=True)
class Column:
    """A heading, how a cell is computed, and its decimals in Markdown."""

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
    """One row a method over all its scores, methods in the order of their first score."""
    # Tables of times are also written where no library of meshes is.
    from iscene_ros.lab.evaluation.metrics import summary

    scored = list(scored)
    methods = dict.fromkeys(one.method for one in scored)
    return [
        Row(method, ALL, summary(one.score for one in scored if one.method == method))
        for method in methods
    ]


def group_rows(scored: Iterable[Scored], group_of: Callable[[Scored], str]) -> list[Row]:
    """One row a group and method, groups in alphabetical order."""
    scored = list(scored)
    rows = []
    for group in sorted({group_of(one) for one in scored}):
        members = [one for one in scored if group_of(one) == group]
        rows += [Row(row.method, group, row.summary) for row in method_rows(members)]
    return rows


def markdown(rows: Sequence[Row], group: str = "family") -> str:
    """A Markdown table; the group's column appears where there is more than `all`."""
    grouped = any(row.group != ALL for row in rows)
    names = [group, "method"] if grouped else ["method"]
    lines = [[*names, *(column.heading for column in COLUMNS)]]
    for row in rows:
        cells = [f"{column.value(row.summary):.{column.decimals}f}" for column in COLUMNS]
        lines.append([row.group, row.method, *cells] if grouped else [row.method, *cells])
    return markdown_table(lines, text_columns=len(names))


def markdown_table(lines: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """A Markdown table with its columns aligned; the first line is the heading."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rule = [
        "-" * width if i < text_columns else "-" * (width - 1) + ":"
        for i, width in enumerate(widths)
    ]
    padded = [
        [
            cell.ljust(width) if i < text_columns else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in [padded[0], rule, *padded[1:]])


def csv_of(lines: Sequence[Sequence[object]]) -> str:
    """Comma-separated values of lines of cells."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write a file that appears complete or not at all.

    Raises:
        InputError: it cannot be written.
    """
    try:
        atomic_files.write_text(path, text)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
