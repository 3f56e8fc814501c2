"""From one observation to completed objects: numpy in, numpy out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
import torch

from iscene_ros.errors import InputError, ModelError
from iscene_ros.impossible_readings import without_impossible_readings
from iscene_ros.model.checkpoint import LoadedModel, load_model
from iscene_ros.model.scene_sampler import SceneSamplerOptions, SlotInputs, sample_scene
from iscene_ros.model.volume_flow import token_positions
from iscene_ros.observation import Observation
from iscene_ros.relations.build import with_relations
from iscene_ros.scene import Scene, Timings
from iscene_ros.scene_objects import ObjectMaker, Progress, Report
from iscene_ros.slot_batch import slot_batch
from iscene_ros.slots import FitOptions, SlotPlan, plan_slots
from iscene_ros.support_plane import find_support_plane
from iscene_ros.view_space import ViewSpace
from iscene_ros.visible_masks import with_visible_masks

SHIPPED_MODELS = {"iscene-mini": "iscene_mini.safetensors"}


@dataclass(frozen=True)
class CompletionOptions:
    """Defaults of a completer.

    Attributes:
        sampler: steps, guidance and averaging of the network.
        fit: of the cubes.
        relations: whether the scene gets the edges of its graph.
    """

    sampler: SceneSamplerOptions = SceneSamplerOptions()
    fit: FitOptions = FitOptions()
    relations: bool = True


class SceneCompleter:
    """Completes the instances of one view to closed meshes in metres."""

    def __init__(self, model: LoadedModel, options: CompletionOptions | None = None) -> None:
        self.model = model
        self.options = options or CompletionOptions()

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str = "iscene-mini",
        device: str = "auto",
        options: CompletionOptions | None = None,
    ) -> SceneCompleter:
        """Load a shipped model by name or a checkpoint by path.

        Raises:
            ModelError: unknown name, unreadable or foreign file, device not available.
        """
        return cls(load_model(checkpoint_path(name_or_path), _device(device)), options)

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
        _check(observation, steps, faces)
        sampler = self._sampler(steps)
        observation = with_visible_masks(observation.rectified())
        gravity, warnings = _gravity(observation)
        view_space = ViewSpace.from_gravity(gravity)
        plan = plan_slots(observation, view_space, self.options.fit)
        observation = without_impossible_readings(observation, plan)
        prepared = time.perf_counter()
        report = Progress(plan, sampler.flow.steps, progress)
        distances = self.distances(observation, plan, sampler, seed, report.network)
        sampled = time.perf_counter()
        maker = ObjectMaker(self.model, observation, view_space, faces)
        seconds = (sampled - started) / max(1, len(plan.instances))
        objects, skipped = maker.make_all(plan, distances, seconds, report)
        finished = time.perf_counter()
        scene = Scene(
            frame_id=maker.frame_id,
            objects=objects,
            skipped=skipped,
            frame_from_camera=maker.frame_from_camera,
            gravity_camera=gravity,
            model_name=self.model.name,
            model_checksum=self.model.checksum,
            seed=seed,
            steps=sampler.flow.steps,
            timings=Timings(
                prepared - started, sampled - prepared, finished - sampled, finished - started
            ),
            stamp=observation.stamp,
            warnings=(*observation.warnings, *warnings),
        )
        return self._related(scene, observation) if self.options.relations else scene

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

    def _sampler(self, steps: int | None) -> SceneSamplerOptions:
        sampler = self.options.sampler
        if steps is None:
            return sampler
        return replace(sampler, flow=replace(sampler.flow, steps=steps))

    def distances(
        self,
        observation: Observation,
        plan: SlotPlan,
        sampler: SceneSamplerOptions,
        seed: int = 0,
        advance: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """What the network predicts for the planned instances of a rectified observation.

        Returns:
            (N, R, R, R) float32 signed distance at the voxel centres of the instances' cubes, in
            units of the truncation, negative inside.
        """
        config = self.model.network.config
        if not plan.instances:
            return np.zeros((0, *(config.resolution,) * 3), np.float32)
        batch = slot_batch(observation, plan, True, self.model.device)
        volumes = batch.observe(config.resolution, config.truncation)
        scene = batch.centers[:1].expand_as(batch.centers), batch.sizes[:1].expand_as(batch.sizes)
        side = config.flow.tokens_per_side
        positions = token_positions(batch.centers, batch.sizes, *scene, side)
        ids = (observation.instance_ids[slot.index] for slot in plan.instances)
        inputs = SlotInputs(volumes.channels(), positions, (0, *ids))
        distances = sample_scene(self.model.network, inputs, sampler, seed, advance).numpy()
        if not np.isfinite(distances).all():
            raise ModelError(
                f"model {self.model.name}: its output is not finite; the weights are damaged or "
                "the precision of the device is too low"
            )
        return distances


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


def _check(observation: Observation, steps: int | None, faces: int) -> None:
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


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelError("device cuda: not available; use --device cpu or auto")
    return name
