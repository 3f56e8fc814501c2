"""What /diagnostics reports: counts by reason, latencies, the newest fault."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable

import numpy as np

from iscene_ros.core.stamps import SECOND
from iscene_ros.session.rejection import RejectReason

THROTTLE_NS = 5 * SECOND
WINDOW = 200


class RejectionCounts:
    """Counts rejected inputs by reason and logs one line a reason every few seconds.

    Args:
        log: takes a line; called at most once a reason in five seconds.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._logged: dict[RejectReason, int] = {}
        self.counts: Counter[RejectReason] = Counter()
        self.newest = ""

    @property
    def total(self) -> int:
        """All rejections."""
        return sum(self.counts.values())

    def count(self, reason: RejectReason, message: str, now_ns: int) -> None:
        """One more; from any thread."""
        line = " ".join(message.split())
        with self._lock:
            self.counts[reason] += 1
            self.newest = line
            before = self._logged.get(reason)
            quiet = before is not None and 0 <= now_ns - before < THROTTLE_NS
            if not quiet:
                self._logged[reason] = now_ns
        if not quiet:
            self._log(f"rejected ({reason.value}): {line}")


class Latencies:
    """The newest durations [s] and their percentiles."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=WINDOW)

    def add(self, seconds: float) -> None:
        """One more."""
        self._values.append(seconds)

    def percentile(self, percent: float) -> float:
        """Over the newest ones [s]; NaN where there is none."""
        values = list(self._values)
        return float(np.percentile(values, percent)) if values else float("nan")
