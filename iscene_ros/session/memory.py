"""How much memory this process holds now."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

MEGABYTE = 1e6


def resident_megabytes() -> float:
    """Of main memory [1e6 bytes]; NaN where the system does not tell (it does on Linux)."""
    pages = Path("/proc/self/statm")
    if not pages.is_file():
        return float("nan")
    return int(pages.read_text().split()[1]) * resource.getpagesize() / MEGABYTE


def gpu_megabytes() -> float:
    """Allocated by torch on the GPU [1e6 bytes]; 0 where it is not in use."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0.0
    return torch.cuda.memory_allocated() / MEGABYTE
