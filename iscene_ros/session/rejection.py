"""Why an input was rejected: a reason to count, and a line to read."""

from __future__ import annotations

from enum import Enum

from iscene_ros.core.errors import InputError


class RejectReason(str, Enum):
    """What /diagnostics counts by."""

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
    UNSYNCHRONISED = "unsynchronised"
    OBSERVATION = "observation"
    MODEL = "model"
    RELATIONS = "relations"
    PLANNING_SCENE = "planning scene"
    MALFORMED = "malformed"


class RejectedInputError(InputError):
    """An input is not used: what was wrong, what was expected, what to do.

    Attributes:
        reason: what it is counted under.
    """

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
