"""From decoded inputs to frames: messages of one time and camera, with calibration and pose."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from iscene_ros.core.stamps import SECOND, nanoseconds
from iscene_ros.session.camera_frames import CameraFrames
from iscene_ros.session.camera_pose import CameraPoses
from iscene_ros.session.frames import PosedFrame
from iscene_ros.session.inputs import (
    Input,
    Intrinsics,
    PoseSample,
    TransformSample,
    check_clock,
    in_frame,
)
from iscene_ros.session.object_map import ObjectMap
from iscene_ros.session.rejection import RejectedInputError, RejectionCounts, RejectReason
from iscene_ros.session.settings import Settings
from iscene_ros.session.synchronizer import SyncedInputs, Synchronizer
from iscene_ros.session.transforms import NoTransformError


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


class FrameSource:
    """Synchronises inputs, and finds calibration and camera pose of each frame.

    One thread adds and polls; the same or another one takes. Frames wait for their pose in a
    bounded queue. One whose transform is late waits on beside it, although its time is over: those
    after it would wait as long, so that none would ever be completed. The settings may be replaced
    at any time by ones that differ in live parameters only; TF brings the transforms of `objects`
    back. With `in_order`, one frame is ready at a time and none dropped for a newer one; `poll` has
    to be called until it is False, and each frame taken.

    Attributes:
        dropped: number of frames that were dropped for others.
    """

    def __init__(
        self,
        settings: Settings,
        poses: CameraPoses,
        objects: ObjectMap,
        rejections: RejectionCounts,
        warn: Callable[[str], None],
        in_order: bool,
    ) -> None:
        self.settings = settings
        self._poses, self._map, self._rejections = poses, objects, rejections
        self._cameras = CameraFrames(poses.transforms.distance, warn)
        self._synchronizer = Synchronizer(settings, self._cameras.other_camera)
        self._waiting: deque[WaitingFrame] = deque()
        self._late: WaitingFrame | None = None
        self._queue_size = settings.queue_size
        self._ready: PosedFrame | None = None
        self._ready_lock = threading.Lock()
        self._in_order, self.dropped = in_order, 0

    def add(self, item: Input | TransformSample, now_ns: int) -> bool:
        """Add an input; one that cannot be used is counted.

        Returns:
            Whether the time of the inputs has jumped back, so that all before is forgotten.
        """
        try:
            check_clock(item, now_ns)
            self._store(item, now_ns)
        except RejectedInputError as error:
            self._reject(error, now_ns)
            if error.reason == RejectReason.TIME_JUMP and not isinstance(item, TransformSample):
                self._poses.transforms.forget_after(item.stamp_ns)
                self.clear()
                self._store(item, now_ns)
                return True
        return False

    def poll(self, now_ns: int) -> bool:
        """Match waiting messages and poses; return whether a frame is ready to be taken."""
        while self._synchronise(now_ns):
            pass
        if self._late is not None and self._pose(self._late, now_ns, True) in (
            Outcome.READY,
            Outcome.REFUSED,
        ):
            self._late = None
        while self._waiting:
            outcome = self._pose(self._waiting[0], now_ns, self._late is None)
            if outcome == Outcome.WAITS:
                break
            frame = self._waiting.popleft()
            if outcome == Outcome.LATE:
                self._late = frame
            elif outcome == Outcome.READY and self._late is not None:
                self._late = None
                self.dropped += 1
        return self._ready is not None

    def take(self, now_ns: int) -> PosedFrame | None:
        """Return the newest ready frame once; None where there is none or it exceeds max_age."""
        with self._ready_lock:
            frame, self._ready = self._ready, None
        if frame is None:
            return None
        age, limit = (now_ns - frame.stamp_ns) / SECOND, self.settings.max_age
        if limit and age > limit:
            self._rejections.count(
                RejectReason.TOO_OLD,
                f"frame: {age:.2f} s old, expected at most max_age = {limit:g} s; check the clocks "
                "and use_sim_time, or raise max_age",
                now_ns,
            )
            return None
        return frame

    def finish(self, now_ns: int) -> None:
        """Reject the masks that still wait for images when no further message comes."""
        for error in self._synchronizer.finish():
            self._reject(error, now_ns)

    def clear(self) -> None:
        """Drop all messages and frames; keep transforms and calibration."""
        self._synchronizer.clear()
        self._waiting.clear()
        self._late = None
        with self._ready_lock:
            self._ready = None

    def missing_inputs(self) -> tuple[str, ...]:
        """Return the inputs of which no message has come yet."""
        missing = self._synchronizer.waiting_for()
        return missing if self._cameras.is_calibrated else (*missing, "camera_info")

    def _reject(self, error: RejectedInputError, now_ns: int) -> None:
        self._rejections.count(error.reason, str(error), now_ns)

    def _synchronise(self, now_ns: int) -> bool:
        """Move one synchronised frame to those that wait; return False if there is none."""
        try:
            inputs = self._synchronizer.pop(now_ns, nanoseconds(self.settings.sync_slop))
        except RejectedInputError as error:
            self._reject(error, now_ns)
            return True
        if inputs is None:
            return False
        if len(self._waiting) >= self._queue_size:
            # The newest of them, as the oldest is the next one.
            self._waiting.pop()
            self.dropped += 1
        self._waiting.append(WaitingFrame(inputs, now_ns))
        return True

    def _pose(self, waiting: WaitingFrame, now_ns: int, may_be_late: bool) -> Outcome:
        """Make a frame ready, or reject it, or let it wait longer.

        A late one waits for its transform as long as it is young enough to be completed.
        """
        if self._in_order:
            # The time of a bag goes on: none has to wait beyond its timeout.
            may_be_late = False
            if self._ready is not None:
                return Outcome.WAITS
        waited = now_ns - waiting.since_ns
        patient = 0 <= waited < nanoseconds(self.settings.transform_timeout)
        # The position of the points depends on the stamp of the depth, not on that of the masks.
        depth = waiting.inputs.depth
        if not self._cameras.is_calibrated:
            if not patient:
                line = f"frame: camera_info: {self._rejections.why_none('camera_info')}"
                self._rejections.count(RejectReason.INTRINSICS, line, now_ns)
            return Outcome.WAITS if patient else Outcome.REFUSED
        try:
            frame_id, pose = self._poses.at(depth.frame_id, depth.stamp_ns, patient)
            calibration = self._cameras.calibration(waiting.inputs)
        except RejectedInputError as error:
            if patient and isinstance(error, NoTransformError) and error.may_come:
                return Outcome.WAITS
            age, limit = now_ns - depth.stamp_ns, nanoseconds(self.settings.max_age)
            may_be_late &= not limit or age <= limit
            if error.reason == RejectReason.LATE_TRANSFORM and may_be_late:
                return Outcome.LATE
            self._reject(error, now_ns)
            return Outcome.REFUSED
        frame = PosedFrame(waiting.inputs, calibration, frame_id, pose, self._map.resets)
        with self._ready_lock:
            if self._ready is not None and self.settings.mode == "continuous":
                self.dropped += 1
                self._rejections.accept(now_ns)
            self._ready = frame
        return Outcome.READY

    def _store(self, item: Input | TransformSample, now_ns: int) -> None:
        if isinstance(item, TransformSample):
            if not self._map.has_broadcast(item):
                self._poses.transforms.add(item)
        elif isinstance(item, PoseSample):
            self._poses.add_pose(item)
        elif isinstance(item, Intrinsics):
            self._cameras.add(in_frame(item, self.settings.camera_frame))
        else:
            self._synchronizer.add(in_frame(item, self.settings.camera_frame), now_ns)
