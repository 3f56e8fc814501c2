"""The session of the node without ROS: decoded inputs in, updates of the object map out.

A driver (the node, a bag) adds inputs and takes ready frames from one thread, and completes them in
the same or in another one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.core.scene import Scene
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.io.world_files import World, read_world
from iscene_ros.models.base import CompletionRequest, Progress, Report
from iscene_ros.session.camera_pose import CameraPoses
from iscene_ros.session.frame_source import FrameSource
from iscene_ros.session.frames import PosedFrame, observe
from iscene_ros.session.inputs import Input, TransformSample
from iscene_ros.session.map_updates import (
    PendingUpdate,
    add_relations,
    check_scene,
    kept_objects,
    unchanged_scene,
)
from iscene_ros.session.object_map import ObjectMap
from iscene_ros.session.out_of_memory import Completer
from iscene_ros.session.pose_check import PoseCheck
from iscene_ros.session.rejection import (
    RejectedInputError,
    RejectionCounts,
    RejectReason,
    WarningCounts,
)
from iscene_ros.session.settings import Settings
from iscene_ros.session.status import LATENCIES, Status, session_status
from iscene_ros.session.surroundings import Surroundings


class SceneSession:
    """Completes the frames that the inputs make, and keeps the object map.

    The settings may be replaced at any time by ones that differ in live parameters only. `log` is
    called with one line about a rejected input, at most once a reason in five seconds, and about
    the first warning of each kind; for `in_order` see `FrameSource`.

    Attributes:
        frames: makes frames of the inputs.
        rejections, warnings: counts of what was refused, and of what was doubted.
        completed: number of frames.
        latencies: of the newest completions [s].
        model_fault: error line of the newest completion; "" where it succeeded.
        surroundings: what is no object.
    """

    def __init__(
        self,
        settings: Settings,
        completer: Completer,
        log: Callable[[str], None] = print,
        in_order: bool = False,
    ) -> None:
        self.rejections, self.warnings = RejectionCounts(log), WarningCounts(log)
        self.latencies: deque[float] = deque(maxlen=LATENCIES)
        self.completed = self._dropped = 0
        self.model_fault = ""
        self._poses = CameraPoses(settings)
        self._map = ObjectMap(self._poses.transforms.frames, self._poses.between)
        self.frames = FrameSource(
            settings, self._poses, self._map, self.rejections, self.warnings.count, in_order
        )
        self.surroundings = Surroundings(settings, log)
        if settings.load_world:
            self._load_world(Path(settings.load_world).expanduser())
        self._completer, self._log = completer, log
        self._pose_check = PoseCheck()
        # Of the newest completion, without what the frame adds.
        self._request: CompletionRequest | None = None
        self._said_unposed = False

    @property
    def update(self) -> SceneUpdate | None:
        """The newest update; None before the first, and after a reset."""
        return self._map.update

    @property
    def dropped(self) -> int:
        """Number of frames that were dropped for newer ones, or by a reset."""
        return self._dropped + self.frames.dropped

    @property
    def settings(self) -> Settings:
        """The parameters in force."""
        return self.frames.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.frames.settings = self._poses.settings = settings

    def add(self, item: Input | TransformSample, now_ns: int) -> None:
        """Add a decoded input; one that cannot be used is counted and logged, not raised."""
        if self.frames.add(item, now_ns):
            self._pose_check.clear()
            self._map.forget()
            self.surroundings.reset(self._map.resets)

    def reject(self, reason: RejectReason, message: str, now_ns: int) -> None:
        """Count an input that a driver could not even decode."""
        self.rejections.count(reason, message, now_ns)

    def poll(self, now_ns: int) -> bool:
        """Match waiting messages and poses; return whether a frame is ready to be taken."""
        return self.frames.poll(now_ns)

    def take(self, now_ns: int) -> PosedFrame | None:
        """Return the newest ready frame once; None where there is none or it exceeds max_age."""
        return self.frames.take(now_ns)

    def complete(
        self, frame: PosedFrame, now_ns: int = 0, progress: Report | None = None
    ) -> SceneUpdate | None:
        """Complete a frame and return the update to publish; may take long.

        Where anything raises, the map stays as it was; see `fail`. `progress`, as of
        `SceneCompleter.complete`, is also called while objects are related, and before the map
        changes. None where the frame was rejected or the map reset meanwhile.

        Raises:
            Exception: whatever the model raises; ModelError where its scene is broken.
        """
        started = time.monotonic()
        try:
            update = self._completed(frame, partial(self.reject, now_ns=now_ns), progress)
        except InputError as error:
            self.reject(getattr(error, "reason", RejectReason.OBSERVATION), str(error), now_ns)
            return None
        self.model_fault = ""
        if update is None:
            self._dropped += 1
            return None
        for warning in update.scene.warnings:
            self.warnings.count(warning)
        self.completed += 1
        self.rejections.accept(now_ns)
        self.latencies.append(time.monotonic() - started)
        return update

    def _completed(
        self,
        frame: PosedFrame,
        reject: Callable[[RejectReason, str], None],
        progress: Report | None,
    ) -> SceneUpdate | None:
        """Return the update of a frame; None where the map was reset meanwhile."""
        settings = self.settings
        observed = observe(frame, settings)
        # Without fusion, objects may move as they like, as on a conveyor.
        if self._pose_check.check(observed.observation, frame.frame_id, settings.fusion):
            self.surroundings.clear()
        if settings.fusion and frame.frame_from_camera is None and not self._said_unposed:
            self._said_unposed = True
            self._log(
                f"fusion: the outputs are in the camera's own frame {frame.frame_id}, so each "
                "frame is completed alone; set world_frame to a frame that does not move with it"
            )
        request = CompletionRequest(settings.steps or None, settings.seed, settings.faces)
        pending = self._map.begin(frame, observed, settings, anew=request != self._request)
        if pending is None:
            return None
        scene = self._scene(pending, request, progress)

        def finished(update: SceneUpdate, before: SceneUpdate | None) -> SceneUpdate:
            update = add_relations(update, before, settings, reject, progress)
            Progress(progress).advance(0, "publish")
            return self.surroundings.add(update, frame, observed, settings, reject)

        update = self._map.commit(pending, scene, settings, finished)
        for line in pending.associated.overruled:
            reject(RejectReason.TRACKER_ID, line)
        return update

    def _scene(
        self, pending: PendingUpdate, request: CompletionRequest, progress: Report | None
    ) -> Scene:
        """Complete the instances that changed since they were completed."""
        kept, observation = kept_objects(pending), pending.associated.observation
        if kept and len(kept) == len(observation.instance_ids):
            return unchanged_scene(pending, kept)
        asked = replace(request, evidence=pending.associated.evidence, kept=kept)
        scene = self._completer.complete(observation, asked, progress)
        check_scene(scene, observation.instance_ids)
        self._request = request
        return scene

    def fail(self, error: Exception, now_ns: int) -> None:
        """Count and report that `complete` raised; a driver calls this and goes on."""
        kind = "" if isinstance(error, ModelError) else f"{type(error).__name__}: "
        self.model_fault = " ".join(f"{kind}{error}; the last good scene stays".split())
        self.reject(RejectReason.MODEL, self.model_fault, now_ns)

    def reset(self) -> SceneUpdate | None:
        """Remove all objects and all waiting messages; keep transforms and calibration.

        A frame that is being completed is dropped, too. The update of the empty map is to be
        published; None where nothing was published before.
        """
        self.frames.clear()
        self._pose_check.clear()
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

    def _load_world(self, path: Path) -> None:
        """Go on from a world; where it cannot be read, begin with an empty map."""
        try:
            world = read_world(path)
        except InputError as error:
            self.reject(RejectReason.WORLD, f"load_world: {error}; the map is empty", 0)
            return
        self._map.load(world)
        self.surroundings.load(world)
