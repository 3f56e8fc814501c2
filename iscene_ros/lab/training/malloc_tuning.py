"""Settings of glibc's memory allocator for training on a CPU."""

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
    """Make glibc keep freed blocks for the next tensors; return False where it is not glibc.

    By default every tensor above about a megabyte is mapped from the system and unmapped again,
    and the system fills its pages with zeros each time.
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
