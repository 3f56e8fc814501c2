"""Stamps, frame names and other texts of a message."""

from __future__ import annotations

from operator import index
from typing import Any

from iscene_ros.core.stamps import SECOND
from iscene_ros.session.rejection import RejectedInputError, RejectReason

# Errors of reading a field that is missing, of another type, out of range, or too large.
MALFORMED_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)
MOST_SECONDS = 2**31 - 1
MOST_CHARACTERS = 256
_MOST_SHOWN = 40


def shown(value: Any) -> str:
    """Return a value of a message for an error, short and without line breaks."""
    text = value if isinstance(value, str) else repr(value)
    short = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
    return ascii(short) if isinstance(value, str) else " ".join(short.split())


def decode_header(
    header: Any, needs_frame: bool = False, needs_stamp: bool = True
) -> tuple[int, str]:
    """Return stamp [ns] and frame name of a std_msgs/msg/Header.

    An empty frame name, or a stamp of zero, is rejected only where it is needed.

    Raises:
        RejectedInputError: STAMP or FRAME, see `decode_stamp` and `decode_frame`.
    """
    unstamped = not needs_stamp and header.stamp.sec == 0 and header.stamp.nanosec == 0
    stamp_ns = 0 if unstamped else decode_stamp(header.stamp)
    if not needs_frame and header.frame_id == "":
        return stamp_ns, ""
    return stamp_ns, decode_frame(header.frame_id, "header.frame_id")


def decode_stamp(stamp: Any) -> int:
    """Return the nanoseconds of a builtin_interfaces/msg/Time.

    Raises:
        RejectedInputError: STAMP; zero, negative, or not below 1e9 nanoseconds.
    """
    seconds, nanoseconds = index(stamp.sec), index(stamp.nanosec)
    if seconds == 0 and nanoseconds == 0:
        raise RejectedInputError(
            RejectReason.STAMP,
            "stamp is zero, expected the time of capture; let the driver fill header.stamp",
        )
    if not 0 <= seconds <= MOST_SECONDS or not 0 <= nanoseconds < SECOND:
        raise RejectedInputError(
            RejectReason.STAMP,
            f"stamp of {shown(seconds)} s and {shown(nanoseconds)} ns, expected seconds from 0 to "
            f"{MOST_SECONDS} and nanoseconds below {SECOND}; check the driver's clock",
        )
    return seconds * SECOND + nanoseconds


def decode_frame(name: str, field: str) -> str:
    """Return a frame's name without leading slashes.

    Raises:
        RejectedInputError: FRAME; empty, too long or not printable.
    """
    stripped = name.lstrip("/")
    if not stripped:
        raise RejectedInputError(
            RejectReason.FRAME,
            f"{field} is empty, expected the name of a TF frame; set it in the driver",
        )
    if len(stripped) > MOST_CHARACTERS or not stripped.isprintable():
        raise RejectedInputError(
            RejectReason.FRAME,
            f"{field} is {shown(name)}, expected a printable name of at most {MOST_CHARACTERS} "
            "characters; check the driver",
        )
    return stripped


def decode_text(text: str, field: str, reason: RejectReason) -> str:
    """Return a short text such as a class name, without surrounding space.

    Raises:
        RejectedInputError: too long or not printable.
    """
    stripped = text.strip()
    if len(stripped) > MOST_CHARACTERS or not stripped.isprintable():
        raise RejectedInputError(
            reason,
            f"{field} is {shown(text)}, expected a printable text of at most {MOST_CHARACTERS} "
            "characters; check the publisher",
        )
    return stripped
