"""How the C library treats memory that tensors leave behind."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt(3), from malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
# The largest that glibc takes (HEAP_MAX_SIZE / 2); smaller blocks then come from the heap.
LARGEST_HEAP_BLOCK = 32 * 1024**2
KEPT_BYTES = 2**31 - 1
GROWTH_BYTES = 256 * 1024**2


def tune_malloc() -> bool:
    """Have glibc keep the blocks of freed tensors for the next ones; False where it is not glibc.

    By default every tensor of a megabyte or so is fetched from the system and given back, and the
    system fills its pages with zeros each time.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    wanted = (
        (M_MMAP_THRESHOLD, LARGEST_HEAP_BLOCK),
        (M_TRIM_THRESHOLD, KEPT_BYTES),
        (M_TOP_PAD, GROWTH_BYTES),
    )
    return all([mallopt(parameter, value) == 1 for parameter, value in wanted])
