"""SceneCompleter: from one observation to completed objects, numpy in and numpy out."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from iscene_ros.completion.object_assembly import ObjectAssembly
from iscene_ros.completion.plausibility import doubts
from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Plane, Scene, Timings
from iscene_ros.geometry.planes import find_planes
from iscene_ros.models.base import (
    DEFAULT_REQUEST,
    CompletionRequest,
    Prediction,
    Progress,
    Report,
    ShapeModel,
)
from iscene_ros.models.model_config import SHIPPED_MODEL, CompletionOptions, ModelConfig
from iscene_ros.models.registry import load_shape_model
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps
from iscene_ros.preprocess.support_plane import find_gravity
from iscene_ros.preprocess.transparency import drop_readings_behind, suspect_warning
from iscene_ros.preprocess.twins import with_twins
from iscene_ros.preprocess.view_sequence import check_evidence, reference_and_evidence
from iscene_ros.relations.build import with_relations

# The confidence of an object that may be transparent is at most this.
SUSPECT_CONFIDENCE = 0.2


class SceneCompleter:
    """Completes the instances of one view to closed meshes in metres.

    Attributes:
        shapes: the model.
        relations: whether scenes get the edges of their graph.
        twins: whether instances of the same shape complete one another.

    Raises:
        InputError: twins of a model that completes one view alone.
    """

    def __init__(self, shapes: ShapeModel, relations: bool = True, twins: bool = False) -> None:
        if twins and not shapes.uses_evidence:
            raise InputError(f"twins: {shapes.name} completes a single view; leave twins out")
        self.shapes, self.relations, self.twins = shapes, relations, twins

    @property
    def device(self) -> str:
        """Torch device name of the model."""
        return self.shapes.device

    @property
    def objects_at_once(self) -> int:
        """Instances computed together, which bounds memory."""
        return self.shapes.objects_at_once

    def with_objects_at_once(self, count: int) -> SceneCompleter:
        """Return the same completer with another bound of memory."""
        shapes = self.shapes.with_objects_at_once(count)
        return SceneCompleter(shapes, self.relations, self.twins)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str = SHIPPED_MODEL,
        device: str = "auto",
        options: CompletionOptions | None = None,
        base: str | None = None,
    ) -> SceneCompleter:
        """Load a shipped model by name, a checkpoint by path, or a published I-Scene.

        Args:
            name_or_path: "iscene-mini"; a checkpoint of it; or of the published model a hub id
                such as "LuLing/IScene", the folder of its package, or a converted file.
            device: "auto", "cpu" or "cuda".
            options: how to complete; None = the defaults.
            base: folder or hub id of a published model's base; None = the one that it names.

        Raises:
            InputError: an option that the model does not have.
            ModelError: unknown name, unreadable file or one of another kind, device not available.
        """
        options = options or CompletionOptions()
        return cls.from_config(ModelConfig(name_or_path, device, base or "", options))

    @classmethod
    def from_config(cls, config: ModelConfig) -> SceneCompleter:
        """Load the model of a command line or of a node's parameters; see `from_pretrained`."""
        return cls(load_shape_model(config), config.options.relations, config.options.twins)

    def complete(
        self,
        observation: Observation | Sequence[Observation],
        request: CompletionRequest = DEFAULT_REQUEST,
        progress: Report | None = None,
    ) -> Scene:
        """Complete every instance of an observation, or of several ones of one scene.

        Args:
            observation: one view; without masks, the scene has no objects. Of several views, each
                with a pose, the last one is that of the scene's camera; equal instance ids are the
                same object, and small errors of the poses are corrected by registration.
            request: how, and with which further views; which objects are known already.
            progress: called with the finished steps, all steps, and the current work; what it
                raises ends the completion.

        Returns:
            The scene in the world frame where the observation has a pose, else in the camera's;
            `scene.graph` holds the relations of its objects.

        Raises:
            InputError: the model needs depth and there is none, a setting is out of range, or
                views do not fit together.
            ModelError: the output of the network is not finite.
        """
        started = time.perf_counter()
        view = self._prepared(observation, request)
        ready = time.perf_counter()
        counter = Progress(progress)
        prediction = self.shapes.predict(
            view.observation, view.aligned_frame, view.request, counter
        )
        rows = set(view.request.rows(prediction.observation))
        prediction = replace(
            prediction,
            shapes=tuple(shape for shape in prediction.shapes if shape.row in rows),
            skipped=tuple((row, why) for row, why in prediction.skipped if row in rows),
        )
        seconds = (time.perf_counter() - started) / max(1, len(prediction.shapes))
        scene = self._assembled(view, prediction, seconds, counter)
        spent = prediction.prepare_seconds + prediction.network_seconds
        finished = time.perf_counter()
        timings = Timings(
            prepare=ready - started + prediction.prepare_seconds,
            network=prediction.network_seconds,
            meshing=finished - ready - spent,
            total=finished - started,
        )
        scene = replace(scene, timings=timings)
        scene = replace(scene, warnings=scene.warnings + doubts(scene, prediction.observation))
        if not self.relations:
            return scene
        started = time.perf_counter()
        scene = with_relations(scene, prediction.observation, progress=counter)
        spent = time.perf_counter() - started
        timings = replace(timings, relations=spent, total=timings.total + spent)
        return replace(scene, timings=timings)

    def _prepared(
        self, observation: Observation | Sequence[Observation], request: CompletionRequest
    ) -> _PreparedView:
        """Check the input and find what is known of the scene before its shapes are predicted."""
        evidence, warnings = request.evidence, ()
        if not isinstance(observation, Observation):
            observation, evidence = reference_and_evidence(observation)
        _check(observation, self.shapes, request)
        check_evidence(observation, evidence)
        if evidence and not self.shapes.uses_evidence:
            evidence, warnings = {}, (f"{self.shapes.name} completes the newest view alone",)
        observation = resolve_mask_overlaps(observation.rectified())
        planes_camera = find_planes(observation)
        gravity_camera, gravity_warnings = find_gravity(observation, planes_camera)
        observation, suspects = drop_readings_behind(observation, planes_camera)
        aligned_frame = GravityAlignedFrame.from_gravity(gravity_camera)
        if self.twins and observation.world_from_camera is not None:
            evidence = with_twins(observation, aligned_frame, evidence)
        elif self.twins:
            warnings += ("twins: no world_from_camera, by which views are combined: not used",)
        return _PreparedView(
            observation=observation,
            aligned_frame=aligned_frame,
            gravity_camera=gravity_camera,
            planes_camera=planes_camera,
            suspects=suspects,
            request=replace(request, evidence=evidence),
            warnings=(*observation.warnings, *warnings, *gravity_warnings),
        )

    def _assembled(
        self, view: _PreparedView, prediction: Prediction, seconds: float, counter: Progress
    ) -> Scene:
        """Mesh the predicted shapes; `seconds` is the time that each took until now."""
        assembly = ObjectAssembly(prediction.observation, view.aligned_frame)
        threads = torch.get_num_threads()
        objects, skipped = assembly.assemble(prediction, seconds, counter, threads)
        of_id, suspected = {}, []
        for item in objects:
            if item.id in view.suspects:
                suspected.append(suspect_warning(item.label, item.id))
                confidence = min(item.confidence, SUSPECT_CONFIDENCE)
                item = replace(item, transparent_suspect=True, confidence=confidence)
            of_id[item.id] = item
        of_id |= view.request.kept
        return Scene(
            frame_id=assembly.frame_id,
            objects=tuple(of_id[i] for i in view.observation.instance_ids if i in of_id),
            skipped=skipped,
            frame_from_camera=assembly.frame_from_camera,
            gravity_camera=view.gravity_camera,
            model_name=self.shapes.name,
            model_checksum=self.shapes.checksum,
            seed=view.request.seed,
            steps=prediction.steps,
            timings=Timings(),
            stamp=view.observation.stamp,
            warnings=(*view.warnings, *suspected, *prediction.warnings),
            is_metric=prediction.is_metric,
            planes=tuple(p.transformed(assembly.frame_from_camera) for p in view.planes_camera),
            observation=prediction.observation,
        )


@dataclass(frozen=True, eq=False)
class _PreparedView:
    """A view before its shapes are predicted.

    Attributes:
        observation: rectified, with masks that do not overlap, without readings through glass.
        aligned_frame: its gravity-aligned frame.
        gravity_camera: (3,) unit direction.
        planes_camera: planes of the surroundings, in the camera frame.
        suspects: ids of instances that may be transparent.
        request: the request, its evidence checked and with that of twins.
        warnings: one line each.
    """

    observation: Observation
    aligned_frame: GravityAlignedFrame
    gravity_camera: np.ndarray
    planes_camera: Sequence[Plane]
    suspects: Collection[int]
    request: CompletionRequest
    warnings: tuple[str, ...]


def _check(observation: Observation, shapes: ShapeModel, request: CompletionRequest) -> None:
    if shapes.needs_depth and not observation.has_depth:
        raise InputError(
            "depth: none; iscene-mini needs depth: give a depth image registered to the masks, "
            "or complete with a released model (LuLing/IScene)"
        )
    if request.steps is not None and request.steps < 1:
        raise InputError(f"steps: {request.steps}, expected at least 1")
    if request.faces < 4:
        raise InputError(f"faces: {request.faces}, expected at least 4")
