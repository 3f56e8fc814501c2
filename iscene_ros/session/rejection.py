"""Rejected inputs and warnings: the reasons, the error, and the counts for /diagnostics."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from iscene_ros.core.errors import InputError
from iscene_ros.core.stamps import SECOND

# One line of each reason is logged in this time.
NO_MESSAGE = "no message yet; check the topic name"
THROTTLE_NS = 5 * SECOND
# Frames of this time tell whether most are refused.
WINDOW_NS = 5 * SECOND
# Lines begin with the name of their topic; more than this are other texts.
MOST_TOPICS = 30
# More kinds of warnings than this are texts that somebody else made.
MOST_KINDS = 50


class RejectReason(str, Enum):
    """Categories of rejected inputs in /diagnostics."""

    ENCODING = "encoding"
    SIZE = "size"
    EMPTY = "empty"
    STAMP = "stamp"
    TIME_JUMP = "time jump"
    TOO_OLD = "too old"
    FUTURE = "from the future"
    INTRINSICS = "intrinsics"
    DETECTIONS = "detections"
    FRAME = "frame"
    POSE = "pose"
    NO_TRANSFORM = "no transform"
    TRACKER_ID = "tracker id"
    UNKNOWN_OBJECT = "unknown object"
    LATE_TRANSFORM = "late transform"
    UNSYNCHRONISED = "unsynchronised"
    OBSERVATION = "observation"
    MODEL = "model"
    RELATIONS = "relations"
    ENVIRONMENT = "environment"
    WORLD = "world"
    PLANNING_SCENE = "planning scene"
    OUTPUT = "output"
    MALFORMED = "malformed"


# These cost a frame nothing, or but a part of what it brings.
_PARTIAL = {
    RejectReason.DETECTIONS,
    RejectReason.RELATIONS,
    RejectReason.PLANNING_SCENE,
    RejectReason.OUTPUT,
}


@dataclass(frozen=True)
class Refusal:
    """Why most of the newest frames were refused.

    Attributes:
        reason: the most frequent one.
        line: its newest error line.
        count, total: refused frames, and all, in the last `WINDOW_NS`.
    """

    reason: RejectReason
    line: str
    count: int
    total: int


class RejectedInputError(InputError):
    """An input cannot be used; the message names the fault, the expectation and a remedy.

    Attributes:
        reason: category under which it is counted.
    """

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RejectionCounts:
    """Counts rejected inputs by reason and logs them, throttled; thread-safe.

    Args:
        log: called with one line, at most once a reason in five seconds.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._logged: dict[RejectReason, int] = {}
        self.counts: Counter[RejectReason] = Counter()
        self.newest = ""
        # Times [ns] of the newest frames, with reason and line where they were refused.
        self._recent: deque[tuple[int, RejectReason | None, str]] = deque(maxlen=1000)
        self._by_topic: dict[str, str] = {}

    @property
    def total(self) -> int:
        """Number of all rejections."""
        return sum(self.counts.values())

    def accept(self, now_ns: int) -> None:
        """Take note of a frame that was completed, or that a newer one replaced."""
        with self._lock:
            self._recent.append((now_ns, None, ""))

    def prevailing(self, now_ns: int) -> Refusal | None:
        """Return why most of the newest frames were refused; None where most were not."""
        with self._lock:
            recent = [r for r in self._recent if 0 <= now_ns - r[0] < WINDOW_NS]
        reasons = Counter(reason for _, reason, _ in recent if reason is not None)
        if 2 * reasons.total() <= len(recent):
            return None
        reason = reasons.most_common(1)[0][0]
        line = next(line for _, r, line in reversed(recent) if r == reason)
        return Refusal(reason, line, reasons.total(), len(recent))

    def why_none(self, topic: str) -> str:
        """Return why a topic brought nothing: no message came, or all were refused and why."""
        with self._lock:
            line = self._by_topic.get(topic, "").partition(":")[2].strip()
        return f"all refused: {line}" if line else NO_MESSAGE

    def count(self, reason: RejectReason, message: str, now_ns: int) -> None:
        """Count one rejection; log its line unless the same reason was logged just before."""
        line = " ".join(message.split())
        with self._lock:
            self.counts[reason] += 1
            self.newest = line
            if reason not in _PARTIAL:
                self._recent.append((now_ns, reason, line))
            topic = line.partition(":")[0].removesuffix("_compressed")
            if topic in self._by_topic or len(self._by_topic) < MOST_TOPICS:
                self._by_topic[topic] = line
            before = self._logged.get(reason)
            quiet = before is not None and 0 <= now_ns - before < THROTTLE_NS
            if not quiet:
                self._logged[reason] = now_ns
        if not quiet:
            self._log(f"rejected ({reason.value}): {line}")


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
