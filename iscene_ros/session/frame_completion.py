"""Completion of one frame: what it shows of known objects, then the model, then the map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from iscene_ros.core.scene import Scene
from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.models.base import CompletionRequest, Progress, Report
from iscene_ros.session.frames import PosedFrame, observe
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
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.settings import Settings
from iscene_ros.session.surroundings import Surroundings


class FrameCompletion:
    """Completes frames one after the other, in one thread.

    Args:
        completer: completer of observations.
        objects: the map.
        surroundings: what is no object.
        log: takes one line.
    """

    def __init__(
        self,
        completer: Completer,
        objects: ObjectMap,
        surroundings: Surroundings,
        log: Callable[[str], None],
    ) -> None:
        self._completer, self._map, self._log = completer, objects, log
        self._surroundings = surroundings
        self._pose_check = PoseCheck()
        # Of the newest completion, without what the frame adds.
        self._request: CompletionRequest | None = None
        self._said_unposed = False

    def clear(self) -> None:
        """Forget the frame before."""
        self._pose_check.clear()

    def complete(
        self,
        frame: PosedFrame,
        settings: Settings,
        reject: Callable[[RejectReason, str], None],
        progress: Report | None = None,
    ) -> SceneUpdate | None:
        """Complete a frame and bring the map up to date.

        Where anything raises, the map stays as it was.

        Args:
            frame: a frame with calibration and pose.
            settings: the parameters.
            reject: called with reason and line about what is left out of the update.
            progress: see `SceneCompleter.complete`; also called while objects are related, and
                before the map changes.

        Returns:
            The update, or None where the map was reset meanwhile.

        Raises:
            InputError: the frame cannot be used.
            Exception: whatever the model raises; ModelError where its scene is broken.
        """
        observed = observe(frame, settings)
        # Without fusion, objects may move as they like, as on a conveyor.
        if self._pose_check.check(observed.observation, frame.frame_id, settings.fusion):
            self._surroundings.clear()
        if settings.fusion and frame.frame_from_camera is None:
            self._say_unposed(frame.frame_id)
        request = CompletionRequest(settings.steps or None, settings.seed, settings.faces)
        pending = self._map.begin(frame, observed, settings, anew=request != self._request)
        if pending is None:
            return None
        scene = self._scene(pending, request, progress)

        def finished(update: SceneUpdate, before: SceneUpdate | None) -> SceneUpdate:
            update = add_relations(update, before, settings, reject, progress)
            Progress(progress).advance(0, "publish")
            return self._surroundings.add(update, frame, observed, settings, reject)

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
        evidence = pending.associated.evidence
        asked = replace(request, evidence=evidence, kept=kept)
        scene = self._completer.complete(observation, asked, progress)
        check_scene(scene, observation.instance_ids)
        self._request = request
        return scene

    def _say_unposed(self, frame_id: str) -> None:
        if self._said_unposed:
            return
        self._said_unposed = True
        self._log(
            f"fusion: the outputs are in the camera's own frame {frame_id}, so each frame is "
            "completed alone; set world_frame to a frame that does not move with it"
        )
