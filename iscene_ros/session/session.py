"""One running system without ROS: decoded inputs in, the scene of now out.

A driver (the node, a bag) adds inputs and takes ready frames from one thread, and completes them in
the same or in another one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from iscene_ros.errors import InputError, ModelError
from iscene_ros.scene import Scene
from iscene_ros.session.association import MatchLimits
from iscene_ros.session.camera_pose import CameraPoses
from iscene_ros.session.frames import Frame, TrackedObservation, observe
from iscene_ros.session.inputs import (
    Input,
    Intrinsics,
    PoseSample,
    TransformSample,
    check_clock,
)
from iscene_ros.session.outputs import RemovedObject, SceneUpdate, Status
from iscene_ros.session.records import Latencies, Refusals
from iscene_ros.session.recovery import Completer
from iscene_ros.session.refusal import Reason, RefusedInputError
from iscene_ros.session.scene_update import emptied, scene_update
from iscene_ros.session.settings import Settings
from iscene_ros.session.stamps import SECOND, nanoseconds
from iscene_ros.session.status import Figures, status_of
from iscene_ros.session.synchronizer import SyncedInputs, Synchronizer
from iscene_ros.session.transforms import NoTransformError
from iscene_ros.session.world import World, WorldRules


@dataclass(frozen=True)
class _Posing:
    """Synchronised messages that wait for their pose."""

    inputs: SyncedInputs
    since_ns: int


class SceneSession:
    """Synchronises, completes, and keeps the world.

    Args:
        settings: the parameters; `settings` can be replaced at any time by ones that differ in
            what may change live.
        completer: completes observations.
        log: takes one line about a refused input, at most one a reason in five seconds.
    """

    def __init__(
        self, settings: Settings, completer: Completer, log: Callable[[str], None] = print
    ) -> None:
        self.completer = completer
        self.refusals = Refusals(log)
        self.latencies = Latencies()
        self.dropped = self.completed = 0
        self._settings = settings
        self._poses = CameraPoses(settings)
        self._synchronizer = Synchronizer(
            settings.use_rgb,
            settings.detections != "none",
            settings.masks_from == "detections",
            settings.queue_size,
        )
        self._intrinsics: Intrinsics | None = None
        self._posing: deque[_Posing] = deque()
        self._ready: Frame | None = None
        self._ready_lock = threading.Lock()
        self._world = World()
        self._world_lock = threading.Lock()
        self._gone: tuple[RemovedObject, ...] = ()
        self.update: SceneUpdate | None = None

    @property
    def settings(self) -> Settings:
        """The parameters in force."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = self._poses.settings = settings

    def add(self, item: Input | TransformSample, now_ns: int) -> None:
        """Take a decoded input; what cannot be used is counted and logged, never raised."""
        try:
            check_clock(item, now_ns)
            if isinstance(item, TransformSample):
                self._poses.transforms.add(item)
            elif isinstance(item, PoseSample):
                self._poses.add_pose(item)
            elif isinstance(item, Intrinsics):
                self._intrinsics = item
            else:
                self._synchronizer.add(item, now_ns)
        except RefusedInputError as error:
            if error.reason == Reason.TIME_JUMP and not isinstance(item, TransformSample):
                self._forget_time()
            self.refuse(error.reason, str(error), now_ns)

    def refuse(self, reason: Reason, message: str, now_ns: int) -> None:
        """Count an input that a driver could not even decode."""
        self.refusals.count(reason, message, now_ns)

    def poll(self, now_ns: int) -> bool:
        """Move waiting messages on; True where a frame is ready to be taken."""
        while self._synchronise(now_ns):
            pass
        while self._posing and self._pose(self._posing[0], now_ns):
            self._posing.popleft()
        return self._ready is not None

    def take(self, now_ns: int) -> Frame | None:
        """The newest ready frame, once; None where there is none or it is older than max_age."""
        with self._ready_lock:
            frame, self._ready = self._ready, None
        if frame is None:
            return None
        age = now_ns - frame.stamp_ns
        limit = nanoseconds(self.settings.max_age)
        if limit and age > limit:
            self.refuse(
                Reason.TOO_OLD,
                f"frame: {age / SECOND:.2f} s old, expected at most max_age = "
                f"{self.settings.max_age:g} s; check the clocks and use_sim_time, or raise max_age",
                now_ns,
            )
            return None
        return frame

    def complete(self, frame: Frame, now_ns: int = 0) -> SceneUpdate | None:
        """Complete a frame and bring the world up to date; may take long, never raises.

        Returns:
            What is to be published, or None where the frame was refused; the reason is counted.
        """
        started = time.monotonic()
        settings = self.settings
        try:
            tracked = observe(frame, settings)
            scene = self.completer.complete(
                tracked.observation, settings.steps or None, settings.seed, settings.faces
            )
            with self._world_lock:
                self.update = self._changed_world(frame, tracked, scene)
        except RefusedInputError as error:
            self.refuse(error.reason, str(error), now_ns)
            return None
        except InputError as error:
            self.refuse(Reason.OBSERVATION, str(error), now_ns)
            return None
        except Exception as error:
            kind = "" if isinstance(error, ModelError) else f"{type(error).__name__}: "
            self.refuse(Reason.MODEL, f"{kind}{error}; the last good scene stays", now_ns)
            return None
        self.completed += 1
        self.latencies.add(time.monotonic() - started)
        return self.update

    def reset(self) -> SceneUpdate | None:
        """Forget all objects and all waiting messages; transforms and calibration stay.

        Returns:
            The emptied world, to be published; None where nothing was published before.
        """
        before = self._drop_waiting()
        with self._world_lock:
            removed = self._world.clear()
            self.update = None
        return None if before is None else emptied(before, removed)

    def status(self, now_ns: int) -> Status:
        """How it is going, for /diagnostics."""
        waiting = self._synchronizer.waiting_for()
        if self._intrinsics is None:
            waiting += ("camera_info",)
        update = self.update
        return status_of(
            Figures(
                waiting=waiting,
                completed=self.completed,
                dropped=self.dropped,
                refused=tuple((r.value, n) for r, n in sorted(self.refusals.counts.items())),
                newest_refusal=self.refusals.newest,
                latency_p50=self.latencies.percentile(50),
                latency_p95=self.latencies.percentile(95),
                scene_age=None if update is None else (now_ns - update.stamp_ns) / SECOND,
                objects=0 if update is None else len(update.objects),
                frame_id=self.settings.world_frame if update is None else update.frame_id,
                world_frame=self.settings.world_frame,
            )
        )

    def _synchronise(self, now_ns: int) -> bool:
        """One frame from the synchroniser to those that wait for a pose; False: no more."""
        try:
            inputs = self._synchronizer.pop(now_ns, nanoseconds(self.settings.sync_slop))
        except RefusedInputError as error:
            self.refuse(error.reason, str(error), now_ns)
            return True
        if inputs is None:
            return False
        if self._intrinsics is None:
            self.refuse(
                Reason.INTRINSICS, "camera_info: no message yet; check the topic name", now_ns
            )
            return True
        if len(self._posing) >= self.settings.queue_size:
            self._posing.popleft()
            self.dropped += 1
        self._posing.append(_Posing(inputs, now_ns))
        return True

    def _pose(self, posing: _Posing, now_ns: int) -> bool:
        """Make a frame ready, or give it up; False: it still waits."""
        waited = now_ns - posing.since_ns
        patient = 0 <= waited < nanoseconds(self.settings.transform_timeout)
        depth = posing.inputs.depth
        pivot = posing.inputs.instances or posing.inputs.detections
        try:
            pose = self._poses.at(depth.frame_id, pivot.stamp_ns, patient)
        except NoTransformError as error:
            if patient and error.may_come:
                return False
            self.refuse(error.reason, str(error), now_ns)
            return True
        frame = Frame(posing.inputs, self._intrinsics, pose.frame_id, pose.frame_from_camera)
        with self._ready_lock:
            if self._ready is not None and self.settings.mode == "continuous":
                self.dropped += 1
            self._ready = frame
        return True

    def _changed_world(
        self, frame: Frame, tracked: TrackedObservation, scene: Scene
    ) -> SceneUpdate:
        self._change_frame(frame)
        settings = self.settings
        rules = WorldRules(
            MatchLimits(settings.match_overlap, settings.match_distance),
            settings.forget_after,
            settings.frame_prefix,
        )
        rectified = replace(tracked, observation=tracked.observation.rectified())
        change = self._world.update(scene, rectified, frame.stamp_ns, rules)
        gone, self._gone = self._gone, ()
        return scene_update(frame, rectified, scene, change, self._world, gone, self.update is None)

    def _change_frame(self, frame: Frame) -> None:
        """Where the frame of the outputs is another one than before, take the objects along."""
        before = self.update
        if before is None or before.frame_id == frame.frame_id:
            return
        moved = self._poses.between(frame.frame_id, before.frame_id, frame.stamp_ns)
        if moved is not None:
            self._world.move(moved)
        else:
            self._gone += self._world.clear()

    def _forget_time(self) -> None:
        """After a jump back in time nothing that was known holds; the next update says so."""
        self._poses.transforms.forget_history()
        self._drop_waiting()
        with self._world_lock:
            self._gone += self._world.clear()
            self.update = None

    def _drop_waiting(self) -> SceneUpdate | None:
        """Forget what waits to be completed; what was published last."""
        self._synchronizer.clear()
        self._posing.clear()
        with self._ready_lock:
            self._ready = None
        return self.update
