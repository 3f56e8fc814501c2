"""Files of a measurement: tables as Markdown and CSV, and the machine they were made on."""

from __future__ import annotations

import csv
import io
import os
import platform
import secrets
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from iscene_ros.core.errors import InputError


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


def write_text(path: Path, text: str) -> None:
    """Write a text file; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file that appears complete or not at all.

    Raises:
        InputError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@dataclass(frozen=True)
class Machine:
    """The hardware and software of a measurement; `commit` is empty outside a git checkout."""

    cpu: str
    cores: int
    threads: int
    gpu: str
    python: str
    torch: str
    commit: str

    def __str__(self) -> str:
        """Describe the machine in one line."""
        gpu = f", {self.gpu}" if self.gpu else ""
        commit = f", commit {self.commit}" if self.commit else ""
        return (
            f"{self.cpu}, {self.cores} cores, {self.threads} torch threads{gpu}, "
            f"Python {self.python}, torch {self.torch}{commit}"
        )


def this_machine() -> Machine:
    """Return the machine that this process runs on."""
    return Machine(
        cpu=_cpu_name(),
        cores=_usable_cores(),
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        python=platform.python_version(),
        torch=torch.__version__,
        commit=_commit(),
    )


def _cpu_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _commit() -> str:
    """Return the abbreviated commit of this package's checkout, with + where it was changed."""
    folder = Path(__file__).resolve().parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--match", ""]
    try:
        tracked = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "--error-unmatch", __file__],
            capture_output=True,
        )
        if tracked.returncode:
            return ""
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:  # no git
        return ""
