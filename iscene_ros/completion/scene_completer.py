"""From one observation to completed objects: numpy in, numpy out."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
import torch

from iscene_ros.completion.object_assembly import ObjectMaker
from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Scene, Timings
from iscene_ros.geometry.planes import find_planes
from iscene_ros.models.base import PredictionRequest, Progress, Report, ShapeModel
from iscene_ros.models.iscene.packages.loading import ReleaseModel, load_release
from iscene_ros.models.iscene.registration.result import RegistrationOptions
from iscene_ros.models.iscene.shape_model import ReleaseOptions, ReleaseShapes
from iscene_ros.models.mini.checkpoint import LoadedModel, ModelKind, load_model, model_kind
from iscene_ros.models.mini.fast_network import FastNetwork
from iscene_ros.models.mini.scene_sampler import SceneSamplerOptions
from iscene_ros.models.mini.shape_model import MiniShapes
from iscene_ros.models.model_config import PRECISIONS, Envelope, ModelConfig
from iscene_ros.preprocess.crops import CropOptions
from iscene_ros.preprocess.mask_overlaps import resolve_mask_overlaps
from iscene_ros.preprocess.support_plane import find_support_plane
from iscene_ros.relations.build import with_relations

SHIPPED_MODELS = {"iscene-mini": "iscene_mini.safetensors"}


@dataclass(frozen=True)
class CompletionOptions:
    """Defaults of a completer.

    Attributes:
        sampler: steps, guidance and averaging of the network.
        fit: of the cubes.
        relations: whether the scene gets the edges of its graph.
        release: of a published model, which takes nothing of `sampler`.
        envelope: which surface of iscene-mini; a published model has the mean alone.
        precision, compile: of iscene-mini; see `ModelConfig`.
    """

    sampler: SceneSamplerOptions = SceneSamplerOptions()
    fit: CropOptions = CropOptions()
    relations: bool = True
    release: ReleaseOptions = ReleaseOptions()
    envelope: Envelope = Envelope.MEAN
    precision: str = PRECISIONS[0]
    compile: bool = False


class SceneCompleter:
    """Completes the instances of one view to closed meshes in metres."""

    def __init__(
        self, model: LoadedModel | ReleaseModel, options: CompletionOptions | None = None
    ) -> None:
        self.model = model
        self.options = options or CompletionOptions()
        self.shapes = _shape_model(model, self.options)

    @property
    def objects_at_once(self) -> int:
        """Instances computed together, which bounds memory."""
        return self.shapes.objects_at_once

    def with_objects_at_once(self, count: int) -> SceneCompleter:
        """The same completer with less memory, or more."""
        sampler = replace(self.options.sampler, chunk=count)
        release = replace(self.options.release, objects_at_once=count)
        return SceneCompleter(self.model, replace(self.options, sampler=sampler, release=release))

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str = "iscene-mini",
        device: str = "auto",
        options: CompletionOptions | None = None,
        base: str | None = None,
    ) -> SceneCompleter:
        """Load a shipped model by name, a checkpoint by path, or a published I-Scene.

        Args:
            name_or_path: "iscene-mini"; a checkpoint of it; or of the published model a hub id
                such as "LuLing/IScene", the folder of its package, or a converted file.
            device: "auto", "cpu" or "cuda".
            options: defaults of the completer.
            base: folder or hub id of a published model's base; None = the one that it names.

        Raises:
            ModelError: unknown name, unreadable or foreign file, device not available.
        """
        device = resolved_device(device)
        if model_kind(name_or_path) is ModelKind.RELEASE:
            return cls(load_release(name_or_path, device, base=base), options)
        return cls(load_model(checkpoint_path(name_or_path), device), options)

    @classmethod
    def from_choice(
        cls, choice: ModelConfig, options: CompletionOptions | None = None
    ) -> SceneCompleter:
        """Load what a command line or a node's parameters name; see `from_pretrained`.

        Raises:
            InputError: an envelope that the model does not have.
        """
        options = options or CompletionOptions()
        registration = RegistrationOptions(choice.camera_height, choice.support_height)
        release = replace(options.release, preset=choice.preset, registration=registration)
        options = replace(
            options,
            release=release,
            envelope=Envelope(choice.envelope),
            precision=choice.precision,
            compile=choice.compile,
        )
        return cls.from_pretrained(choice.name, choice.device, options, choice.base or None)

    def complete(
        self,
        observation: Observation,
        steps: int | None = None,
        seed: int = 0,
        faces: int = 5000,
        progress: Report | None = None,
    ) -> Scene:
        """Complete every instance of an observation.

        Args:
            observation: one view; without masks, the scene has no objects.
            steps: Euler steps of the sampler; None = the completer's default.
            seed: same seed, same device: same result, bit for bit.
            faces: triangle budget of a mesh.
            progress: told what has been finished.

        Returns:
            The scene in the world frame where the observation has a pose, else in the camera's;
            `scene.graph` answers how its objects stand to each other.

        Raises:
            InputError: all masks are empty or a setting is out of range.
            ModelError: the network returned what is no distance.
        """
        started = time.perf_counter()
        _check(observation, self.shapes, steps, faces)
        observation = resolve_mask_overlaps(observation.rectified())
        gravity, warnings = _gravity(observation)
        aligned_frame = GravityAlignedFrame.from_gravity(gravity)
        ready = time.perf_counter()
        told = Progress(progress)
        request = PredictionRequest(steps, seed, faces)
        prediction = self.shapes.predict(observation, aligned_frame, request, told)
        predicted = time.perf_counter()
        maker = ObjectMaker(prediction.observation, aligned_frame)
        seconds = (predicted - started) / max(1, len(prediction.shapes))
        threads = torch.get_num_threads()
        objects, skipped = maker.make_all(prediction, seconds, told, threads)
        planes = find_planes(prediction.observation, maker.frame_from_camera)
        finished = time.perf_counter()
        scene = Scene(
            frame_id=maker.frame_id,
            objects=objects,
            skipped=skipped,
            frame_from_camera=maker.frame_from_camera,
            gravity_camera=gravity,
            model_name=self.shapes.name,
            model_checksum=self.shapes.checksum,
            seed=seed,
            steps=prediction.steps,
            timings=Timings(
                prepare=ready - started + prediction.prepare_seconds,
                network=prediction.network_seconds,
                meshing=finished - ready - prediction.prepare_seconds - prediction.network_seconds,
                total=finished - started,
            ),
            stamp=observation.stamp,
            warnings=(*observation.warnings, *warnings, *prediction.warnings),
            is_metric=prediction.is_metric,
            planes=planes,
        )
        return self._related(scene, prediction.observation) if self.options.relations else scene

    def _related(self, scene: Scene, observation: Observation) -> Scene:
        """The scene with its relations; with a warning where those cannot be had."""
        started = time.perf_counter()
        try:
            scene = with_relations(scene, observation)
        except Exception as error:  # the scene is worth more than its graph
            line = f"relations: left out ({type(error).__name__}: {error})"
            return replace(scene, warnings=(*scene.warnings, line))
        spent = time.perf_counter() - started
        total = scene.timings.total + spent
        return replace(scene, timings=replace(scene.timings, relations=spent, total=total))


def _shape_model(model: LoadedModel | ReleaseModel, options: CompletionOptions) -> ShapeModel:
    if not isinstance(model, ReleaseModel):
        if options.precision != PRECISIONS[0] or options.compile:
            network = FastNetwork(model.network, options.precision, options.compile)
            model = replace(model, network=network)
        return MiniShapes(model, options.sampler, options.fit, options.envelope)
    if options.envelope is not Envelope.MEAN:
        raise InputError(
            f"envelope: {options.envelope.value}, but a released model does not say how certain "
            "its surfaces are: use mean, or complete with iscene-mini"
        )
    if options.precision != PRECISIONS[0] or options.compile:
        raise InputError(
            "precision, compile: for iscene-mini alone; a released model has its own precision: "
            "leave them out, or complete with iscene-mini"
        )
    return ReleaseShapes(model, options.release, options.fit)


def _gravity(observation: Observation) -> tuple[np.ndarray, tuple[str, ...]]:
    """Gravity in the camera frame, and a warning where it had to be estimated."""
    if observation.gravity_camera is not None:
        return observation.gravity_camera, ()
    plane = find_support_plane(observation)
    if plane is None:
        level = np.array([0.0, 1.0, 0.0])
        return level, (
            "gravity: no pose, no --gravity and no support plane in the depth image; "
            "a level camera is assumed",
        )
    tilt = np.degrees(np.arccos(np.clip(plane.normal_camera @ [0.0, 0.0, -1.0], -1, 1)))
    return -plane.normal_camera, (
        f"gravity: no pose given; taken from the dominant support plane "
        f"({100 * plane.inlier_fraction:.0f} % of the points, tilted by {tilt:.0f} deg)",
    )


def _check(observation: Observation, shapes: ShapeModel, steps: int | None, faces: int) -> None:
    if shapes.needs_depth and not observation.has_depth:
        raise InputError(
            "depth: none; iscene-mini needs depth: give a depth image registered to the masks, "
            "or complete with a released model (LuLing/IScene)"
        )
    if len(observation.masks) and not observation.masks.any():
        raise InputError("masks: no instance has any pixel; nothing to complete")
    if steps is not None and steps < 1:
        raise InputError(f"steps: {steps}, expected at least 1")
    if faces < 4:
        raise InputError(f"faces: {faces}, expected at least 4")


def checkpoint_path(name_or_path: str) -> Path:
    """The file of a shipped model's name, or the path itself.

    Raises:
        ModelError: neither exists.
    """
    if name_or_path in SHIPPED_MODELS:
        return (
            Path(str(resources.files("iscene_ros"))) / "checkpoints" / SHIPPED_MODELS[name_or_path]
        )
    path = Path(name_or_path)
    if not path.is_file():
        names = ", ".join(sorted(SHIPPED_MODELS))
        raise ModelError(f"model {name_or_path}: no such file, and not one of: {names}")
    return path


def resolved_device(name: str) -> str:
    """The device that a name stands for; auto = a GPU where there is one.

    Raises:
        ModelError: a GPU is asked for where there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelError("device cuda: not available; use --device cpu or auto")
    return name
