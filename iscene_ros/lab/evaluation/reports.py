"""Files of a measurement: tables as Markdown and CSV, and the machine they were made on."""

from __future__ import annotations

import csv
import io
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

import torch

from iscene_ros.core.atomic_files import write_text


def markdown_table(lines: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """Return a Markdown table with aligned columns; the first line is the heading."""
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


def csv_text(lines: Sequence[Sequence[object]]) -> str:
    """Return comma-separated values of lines of cells."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()


def print_report(path: Path, text: str) -> None:
    """Print the tables of a measurement, and write them with the name of this machine.

    Raises:
        OSError: the file cannot be written.
    """
    text = f"{text}\nMachine: {this_machine()}\n"
    write_text(path, text)
    print(text)


def this_machine() -> str:
    """Return one line about the hardware and software that this process runs on."""
    information = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in information if line.startswith("model name")]
    gpu = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    commit = _commit()
    return ", ".join(
        [
            *(names[:1] or [platform.machine()]),
            f"{len(os.sched_getaffinity(0))} cores",
            *(f"{torch.get_num_threads()} torch threads", *gpu),
            *(f"Python {platform.python_version()}", f"torch {torch.__version__}"),
            *([f"commit {commit}"] if commit else []),
        ]
    )


def _commit() -> str:
    """Return the abbreviated commit of this package's checkout, with + where it was changed.

    It is empty outside a git checkout.
    """
    folder = Path(__file__).resolve().parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--match", ""]
    try:
        tracked = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "--error-unmatch", __file__], capture_output=True
        )
        if tracked.returncode:
            return ""
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:  # no git
        return ""
