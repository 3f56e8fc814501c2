"""Warnings of completed scenes: told once a kind, counted for /diagnostics."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

# More kinds than this are texts that somebody else made.
MOST_KINDS = 50


class WarningCounts:
    """Counts warnings by kind, the text before the first colon; thread-safe.

    Args:
        log: called with one line, once a kind.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.newest = ""

    def count(self, warning: str) -> None:
        """Count one warning, and tell it if it is the first of its kind."""
        line = " ".join(warning.split())
        kind = line.partition(":")[0]
        with self._lock:
            if kind not in self.counts and len(self.counts) >= MOST_KINDS:
                return
            self.counts[kind] += 1
            self.newest = line
            is_first = self.counts[kind] == 1
        if is_first:
            self._log(f"warning: {line}")
