"""Frames that wait for calibration and camera pose."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from iscene_ros.session.synchronizer import SyncedInputs


@dataclass(frozen=True)
class WaitingFrame:
    """Synchronised messages that wait for calibration and camera pose."""

    inputs: SyncedInputs
    since_ns: int


class Outcome(Enum):
    """What became of a frame: it has its pose, was refused, waits, or waits beyond its time."""

    READY = auto()
    REFUSED = auto()
    WAITS = auto()
    LATE = auto()


class WaitingFrames:
    """A bounded queue of frames, and one frame whose transform is late.

    The late one waits on, although its time is over, until its transform comes: those after it
    would wait as long, so that none would ever be completed.

    Attributes:
        dropped: number of frames that were dropped for others.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._queue: deque[WaitingFrame] = deque()
        self._late: WaitingFrame | None = None
        self.dropped = 0

    def add(self, frame: WaitingFrame) -> None:
        """Add a frame; a full queue drops the newest before it, as the oldest is the next one."""
        if len(self._queue) >= self._size:
            self._queue.pop()
            self.dropped += 1
        self._queue.append(frame)

    def settle(self, decide: Callable[[WaitingFrame, bool], Outcome]) -> None:
        """Decide upon the frames in their order, up to the first one that waits.

        Args:
            decide: is called with a frame, and whether it may be late.
        """
        if self._late is not None and decide(self._late, True) in (Outcome.READY, Outcome.REFUSED):
            self._late = None
        while self._queue:
            outcome = decide(self._queue[0], self._late is None)
            if outcome == Outcome.WAITS:
                return
            frame = self._queue.popleft()
            if outcome == Outcome.LATE:
                self._late = frame
            elif outcome == Outcome.READY and self._late is not None:
                self._late = None
                self.dropped += 1

    def clear(self) -> None:
        """Drop all frames."""
        self._queue.clear()
        self._late = None
