"""What time it is in a bag."""

from __future__ import annotations

from collections.abc import Collection

from iscene_ros.bag.reading import BagMessage, BagReader
from iscene_ros.core.stamps import SECOND

# Beyond this, recorder and camera went by different clocks (simulated time, converted data sets);
# below, it is the delay of the camera or the segmentation.
SAME_CLOCK_NS = 60 * SECOND


class BagClock:
    """The time of the stamps, told by the times of recording.

    Args:
        reader: an open bag.
        stamped: topics whose messages have a header.

    Attributes:
        log_ns: when the newest message was recorded [ns].
        now_ns: the same by the clock of the stamps [ns].
    """

    def __init__(self, reader: BagReader, stamped: Collection[str]) -> None:
        self._offset_ns = _offset(reader, stamped)
        self.log_ns = 0
        self.now_ns = 0

    def see(self, log_ns: int) -> None:
        """It is now the time at which a message was recorded."""
        self.log_ns = log_ns
        self.now_ns = log_ns + self._offset_ns

    def wait(self, duration_ns: int) -> None:
        """Let time pass after the last message."""
        self.now_ns += duration_ns


def _offset(reader: BagReader, stamped: Collection[str]) -> int:
    for message in reader.messages(stamped):
        stamp = _stamp(message)
        if stamp:
            offset = stamp - message.log_ns
            return offset if abs(offset) > SAME_CLOCK_NS else 0
    return 0


def _stamp(message: BagMessage) -> int:
    try:
        stamp = message.decode().header.stamp
    # Damaged messages are told about when they are read in their turn.
    except Exception:
        return 0
    return stamp.sec * SECOND + stamp.nanosec
