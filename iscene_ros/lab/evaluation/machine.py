"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Machine:
    """Facts that times depend on; `commit` is empty outside a git checkout."""

    cpu: str
    cores: int
    threads: int
    gpu: str
    python: str
    torch: str
    commit: str

    def __str__(self) -> str:
        """One line."""
        gpu = f", {self.gpu}" if self.gpu else ""
        commit = f", commit {self.commit}" if self.commit else ""
        return (
            f"{self.cpu}, {self.cores} cores, {self.threads} torch threads{gpu}, "
            f"Python {self.python}, torch {self.torch}{commit}"
        )


def this_machine() -> Machine:
    """The machine this runs on."""
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
    """The abbreviated commit of the checkout this package lies in, with + where it was changed."""
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
