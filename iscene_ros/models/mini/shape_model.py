"""Shapes by iscene-mini: signed distances in one zoomed cube an instance, conditioned on depth."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.models.base import Prediction, PredictionRequest, Progress
from iscene_ros.models.mini.checkpoint import LoadedModel
from iscene_ros.models.mini.network import token_positions
from iscene_ros.models.mini.predicted_shape import DistanceShape
from iscene_ros.models.mini.scene_sampler import (
    CropInputs,
    SceneSamplerOptions,
    sample_scene,
)
from iscene_ros.models.model_config import Envelope
from iscene_ros.preprocess.cleaned_observation import crop_cleaned_observation
from iscene_ros.preprocess.crop_batch import crop_batch
from iscene_ros.preprocess.crops import CropOptions, SceneCrops


@dataclass(frozen=True)
class PredictedDistances:
    """What the network says of N instances, in units of the truncation.

    Attributes:
        mean: (N, R, R, R) float32 signed distance at the voxel centres of the instances' cubes,
            negative inside.
        disagreement: (N, R, R, R) float32; see `SampledCrops`.
    """

    mean: np.ndarray
    disagreement: np.ndarray


class MiniShapes:
    """The shape model of a checkpoint of iscene-mini; see `ShapeModel`."""

    needs_depth = True

    def __init__(
        self,
        model: LoadedModel,
        sampler: SceneSamplerOptions,
        fit: CropOptions,
        envelope: Envelope = Envelope.MEAN,
    ) -> None:
        if envelope is not Envelope.MEAN and model.calibration.uncertainty is None:
            raise InputError(
                f"envelope: {envelope.value}, but the uncertainty of {model.name} was never "
                "fitted: use mean, or fit it with iscene evaluate --calibrate"
            )
        self.model, self.sampler, self.fit, self.envelope = model, sampler, fit, envelope
        self.name, self.checksum, self.device = model.name, model.checksum, model.device

    @property
    def objects_at_once(self) -> int:
        """Instances computed together."""
        return self.sampler.chunk

    def predict(
        self,
        observation: Observation,
        aligned_frame: GravityAlignedFrame,
        request: PredictionRequest,
        progress: Progress,
    ) -> Prediction:
        """See `ShapeModel.predict`."""
        started = time.perf_counter()
        sampler = self._sampler(request.steps)
        plan, observation = crop_cleaned_observation(observation, aligned_frame, self.fit)
        prepared = time.perf_counter()
        instances, steps = len(plan.instances), sampler.flow.steps
        progress.expect(instances + (1 + instances) * steps if instances else 0)
        distances = self.look(observation, plan, sampler, request.seed, progress)
        return Prediction(
            observation=observation,
            shapes=self._shapes(observation, plan, distances, request.faces),
            skipped=plan.skipped,
            steps=steps,
            prepare_seconds=prepared - started,
            network_seconds=time.perf_counter() - prepared,
        )

    def look(
        self,
        observation: Observation,
        plan: SceneCrops,
        options: SceneSamplerOptions,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> PredictedDistances:
        """What is predicted for the planned instances of a rectified observation.

        Raises:
            ModelError: the network returned what is no distance.
        """
        if not plan.instances:
            none = np.zeros((0, *(self.model.network.config.resolution,) * 3), np.float32)
            return PredictedDistances(none, none)
        inputs = self._inputs(observation, plan)
        advance = (progress or Progress(None)).network
        sampled = sample_scene(self.model.network, inputs, options, seed, advance)
        distances = PredictedDistances(sampled.x0.numpy(), sampled.disagreement.numpy())
        if not np.isfinite(distances.mean).all():
            raise ModelError(
                f"model {self.name}: its output is not finite; the weights are damaged or "
                "the precision of the device is too low"
            )
        return distances

    def _inputs(self, observation: Observation, plan: SceneCrops) -> CropInputs:
        """The scene slot and those of the planned instances."""
        config = self.model.network.config
        batch = crop_batch(observation, plan, True, self.device)
        volumes = batch.observe(config.resolution, config.truncation)
        scene = batch.centers[:1].expand_as(batch.centers), batch.sizes[:1].expand_as(batch.sizes)
        side = config.flow.tokens_per_side
        positions = token_positions(batch.centers, batch.sizes, *scene, side)
        ids = (observation.instance_ids[slot.index] for slot in plan.instances)
        return CropInputs(volumes.channels(), positions, (0, *ids))

    def _sampler(self, steps: int | None) -> SceneSamplerOptions:
        if steps is None:
            return self.sampler
        return replace(self.sampler, flow=replace(self.sampler.flow, steps=steps))

    def _shapes(
        self, observation: Observation, plan: SceneCrops, distances: PredictedDistances, faces: int
    ) -> tuple[DistanceShape, ...]:
        """The planned instances with what was predicted for each."""
        has_depth = observation.depth > 0
        return tuple(
            DistanceShape(
                slot=slot,
                distance=mean,
                disagreement=disagreement,
                readings=float(has_depth[observation.masks[slot.index]].mean()),
                truncation=self.model.network.config.truncation,
                calibration=self.model.calibration,
                faces=faces,
                envelope=self.envelope,
            )
            for slot, mean, disagreement in zip(
                plan.instances, distances.mean, distances.disagreement, strict=True
            )
        )
