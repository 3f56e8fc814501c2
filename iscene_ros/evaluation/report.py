"""Tables of scores, as Markdown and CSV: a row a method, or a row a method and family."""

from __future__ import annotations

import csv
import io
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from iscene_ros.errors import InputError
from iscene_ros.evaluation.metrics import Score, Summary, summary

ALL_FAMILIES = "all"


class Scored(Protocol):
    """One score, by whom and on what."""

    method: str
    family: str
    score: Score


@dataclass(frozen=True)
class Row:
    """The scores of one method on one family, or on all."""

    method: str
    family: str
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
    scored = list(scored)
    methods = dict.fromkeys(one.method for one in scored)
    return [
        Row(method, ALL_FAMILIES, summary(one.score for one in scored if one.method == method))
        for method in methods
    ]


def family_rows(scored: Iterable[Scored]) -> list[Row]:
    """One row a family and method, families in alphabetical order."""
    scored = list(scored)
    rows = []
    for family in sorted({one.family for one in scored}):
        of_family = [one for one in scored if one.family == family]
        rows += [Row(row.method, family, row.summary) for row in method_rows(of_family)]
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table; the family column appears where there is more than `all`."""
    with_family = any(row.family != ALL_FAMILIES for row in rows)
    names = ["family", "method"] if with_family else ["method"]
    lines = [[*names, *(column.heading for column in COLUMNS)]]
    for row in rows:
        cells = [f"{column.value(row.summary):.{column.decimals}f}" for column in COLUMNS]
        lines.append([row.family, row.method, *cells] if with_family else [row.method, *cells])
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


def csv_text(rows: Sequence[Row]) -> str:
    """The same as comma-separated values, unrounded."""
    lines = [["family", "method", *(column.heading for column in COLUMNS)]]
    for row in rows:
        lines.append([row.family, row.method, *(column.value(row.summary) for column in COLUMNS)])
    return csv_of(lines)


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
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
