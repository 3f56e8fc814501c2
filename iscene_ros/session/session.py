"""The session of the node without ROS: decoded inputs in, updates of the object map out.

A driver (the node, a bag) adds inputs and takes ready frames from one thread, and completes them in
the same or in another one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.core.stamps import nanoseconds
from iscene_ros.models.base import Report
from iscene_ros.session.camera_frames import CameraFrames
from iscene_ros.session.camera_pose import CameraPoses
from iscene_ros.session.frame_completion import FrameCompletion
from iscene_ros.session.frames import PosedFrame
from iscene_ros.session.inputs import (
    Input,
    Intrinsics,
    PoseSample,
    TransformSample,
    check_age,
    check_clock,
    in_frame,
)
from iscene_ros.session.out_of_memory import Completer
from iscene_ros.session.published_map import PublishedMap
from iscene_ros.session.rejection import RejectedInputError, RejectionCounts, RejectReason
from iscene_ros.session.settings import Settings
from iscene_ros.session.status import Latencies, Status, session_status
from iscene_ros.session.surroundings import Surroundings
from iscene_ros.session.synchronizer import Synchronizer, WaitingFrame
from iscene_ros.session.transforms import NoTransformError
from iscene_ros.session.waiting_frames import Outcome, WaitingFrames
from iscene_ros.session.warning_counts import WarningCounts
from iscene_ros.session.world import World
from iscene_ros.session.world_files import read_world


class SceneSession:
    """Synchronises the inputs, completes frames and keeps the object map.

    Args:
        settings: the parameters; may be replaced at any time by ones that differ in live
            parameters only.
        completer: completer of observations.
        log: called with one line about a rejected input, at most once a reason in five seconds, and
            about the first warning of each kind.

    Attributes:
        rejections, warnings: counts of what was refused, and of what was doubted.
        completed: number of frames.
        model_fault: error line of the newest completion; "" where it succeeded.
        surroundings: what is no object.
    """

    def __init__(
        self, settings: Settings, completer: Completer, log: Callable[[str], None] = print
    ) -> None:
        self.rejections, self.warnings = RejectionCounts(log), WarningCounts(log)
        self.latencies = Latencies()
        self.completed = self._replaced = 0
        self.model_fault = ""
        self._settings = settings
        self._poses = CameraPoses(settings)
        self._cameras = CameraFrames(self._poses.transforms.distance, self.warnings.count)
        self._synchronizer = Synchronizer.of(settings, self._cameras.other_camera)
        self._waiting = WaitingFrames(settings.queue_size)
        self._ready: PosedFrame | None = None
        self._ready_lock = threading.Lock()
        self._map = PublishedMap(self._poses.transforms.frames)
        self.surroundings = Surroundings(settings, log)
        if settings.load_world:
            self._load_world(Path(settings.load_world).expanduser())
        parts = self._map, self.surroundings, self._poses.between
        self._completion = FrameCompletion(completer, *parts, log)

    @property
    def update(self) -> SceneUpdate | None:
        """The newest update; None before the first, and after a reset."""
        return self._map.update

    @property
    def dropped(self) -> int:
        """Number of frames that were dropped for newer ones, or by a reset."""
        return self._replaced + self._waiting.dropped

    @property
    def settings(self) -> Settings:
        """The parameters in force."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = self._poses.settings = settings

    def add(self, item: Input | TransformSample, now_ns: int) -> None:
        """Add a decoded input; one that cannot be used is counted and logged, not raised."""
        try:
            check_clock(item, now_ns)
            self._store(item, now_ns)
        except RejectedInputError as error:
            self.reject(error.reason, str(error), now_ns)
            if error.reason == RejectReason.TIME_JUMP and not isinstance(item, TransformSample):
                self._forget_time(item.stamp_ns)
                self._store(item, now_ns)

    def reject(self, reason: RejectReason, message: str, now_ns: int) -> None:
        """Count an input that a driver could not even decode."""
        self.rejections.count(reason, message, now_ns)

    def poll(self, now_ns: int) -> bool:
        """Match waiting messages and poses; return whether a frame is ready to be taken."""
        while self._synchronise(now_ns):
            pass
        self._waiting.settle(lambda frame, may_be_late: self._pose(frame, now_ns, may_be_late))
        return self._ready is not None

    def take(self, now_ns: int) -> PosedFrame | None:
        """Return the newest ready frame once; None where there is none or it exceeds max_age."""
        with self._ready_lock:
            frame, self._ready = self._ready, None
        try:
            if frame is not None:
                check_age(frame.stamp_ns, now_ns, self.settings.max_age)
        except RejectedInputError as error:
            self.reject(error.reason, str(error), now_ns)
            return None
        return frame

    def complete(
        self, frame: PosedFrame, now_ns: int = 0, progress: Report | None = None
    ) -> SceneUpdate | None:
        """Complete a frame and bring the map up to date; may take long.

        Where anything raises, the map stays as it was; see `fail`. `progress`, as of
        `SceneCompleter.complete`, is also called while objects are related, and before the map
        changes.

        Returns:
            The update to publish; None where the frame was rejected or the map reset meanwhile.

        Raises:
            Exception: whatever the model raises; ModelError where its scene is broken.
        """
        started = time.monotonic()
        try:
            reject = partial(self.reject, now_ns=now_ns)
            update = self._completion.complete(frame, self.settings, reject, progress)
        except InputError as error:
            self.reject(getattr(error, "reason", RejectReason.OBSERVATION), str(error), now_ns)
            return None
        self.model_fault = ""
        if update is None:
            self._replaced += 1
            return None
        for warning in update.scene.warnings:
            self.warnings.count(warning)
        self.completed += 1
        self.rejections.accept(now_ns)
        self.latencies.add(time.monotonic() - started)
        return update

    def fail(self, error: Exception, now_ns: int) -> None:
        """Count and report that `complete` raised; a driver calls this and goes on."""
        kind = "" if isinstance(error, ModelError) else f"{type(error).__name__}: "
        self.model_fault = " ".join(f"{kind}{error}; the last good scene stays".split())
        self.reject(RejectReason.MODEL, self.model_fault, now_ns)

    def reset(self) -> SceneUpdate | None:
        """Remove all objects and all waiting messages; keep transforms and calibration.

        A frame that is being completed is dropped, too.

        Returns:
            The update of the empty map, to be published; None where nothing was published before.
        """
        self._drop_waiting()
        self._completion.clear()
        emptied = self._map.reset()
        self.surroundings.reset(self._map.resets)
        return emptied

    def world(self) -> World | None:
        """Return what is known; None before the first update. For the completing thread only."""
        world = self._map.world()
        return world and replace(world, environment=self.surroundings.blocks(world.frame_id))

    def forget(self, name: str, now_ns: int) -> SceneUpdate | None:
        """Remove the object of a TF name or id; return the update, None where there is none."""
        try:
            return self._map.forget_object(name)
        except RejectedInputError as error:
            self.reject(error.reason, str(error), now_ns)
            return None

    def status(self, now_ns: int) -> Status:
        """Return the state of the session for /diagnostics."""
        return session_status(self, now_ns)

    def missing_inputs(self) -> tuple[str, ...]:
        """Return the inputs of which no message has come yet."""
        missing = self._synchronizer.waiting_for()
        return missing if self._cameras.is_calibrated else (*missing, "camera_info")

    def _load_world(self, path: Path) -> None:
        """Go on from a world; where it cannot be read, begin with an empty map."""
        try:
            world = read_world(path)
        except InputError as error:
            self.reject(RejectReason.WORLD, f"load_world: {error}; the map is empty", 0)
            return
        self._map.load(world)
        self.surroundings.load(world)

    def _synchronise(self, now_ns: int) -> bool:
        """Move one synchronised frame to those that wait; return False if there is none."""
        try:
            inputs = self._synchronizer.pop(now_ns, nanoseconds(self.settings.sync_slop))
        except RejectedInputError as error:
            self.reject(error.reason, str(error), now_ns)
            return True
        if inputs is None:
            return False
        self._waiting.add(WaitingFrame(inputs, now_ns))
        return True

    def _pose(self, waiting: WaitingFrame, now_ns: int, may_be_late: bool) -> Outcome:
        """Make a frame ready, or reject it, or let it wait longer.

        A late one waits for its transform as long as it is young enough to be completed.
        """
        waited = now_ns - waiting.since_ns
        patient = 0 <= waited < nanoseconds(self.settings.transform_timeout)
        # The position of the points depends on the stamp of the depth, not on that of the masks.
        depth = waiting.inputs.depth
        if not self._cameras.is_calibrated:
            if not patient:
                line = f"frame: camera_info: {self.rejections.why_none('camera_info')}"
                self.reject(RejectReason.INTRINSICS, line, now_ns)
            return Outcome.WAITS if patient else Outcome.REFUSED
        try:
            pose = self._poses.at(depth.frame_id, depth.stamp_ns, patient)
            calibration = self._cameras.calibration(waiting.inputs)
        except RejectedInputError as error:
            if patient and isinstance(error, NoTransformError) and error.may_come:
                return Outcome.WAITS
            age, limit = now_ns - depth.stamp_ns, nanoseconds(self.settings.max_age)
            may_be_late &= not limit or age <= limit
            if error.reason == RejectReason.LATE_TRANSFORM and may_be_late:
                return Outcome.LATE
            self.reject(error.reason, str(error), now_ns)
            return Outcome.REFUSED
        frame = PosedFrame(
            *(waiting.inputs, calibration, pose.frame_id, pose.frame_from_camera),
            self._map.resets,
        )
        with self._ready_lock:
            if self._ready is not None and self.settings.mode == "continuous":
                self._replaced += 1
                self.rejections.accept(now_ns)
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

    def _forget_time(self, stamp_ns: int) -> None:
        """Drop everything after a jump back in time; the next update removes all objects."""
        self._poses.transforms.forget_after(stamp_ns)
        self._drop_waiting()
        self._completion.clear()
        self._map.forget()
        self.surroundings.reset(self._map.resets)

    def _drop_waiting(self) -> None:
        """Drop all frames that wait to be completed."""
        self._synchronizer.clear()
        self._waiting.clear()
        with self._ready_lock:
            self._ready = None
