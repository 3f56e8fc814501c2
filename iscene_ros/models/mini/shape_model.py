"""Shapes by iscene-mini: signed distances in one zoomed cube an instance, conditioned on depth."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.models.base import CompletionRequest, Prediction, Progress
from iscene_ros.models.mini.checkpoint import LoadedModel, load_model
from iscene_ros.models.mini.fast_network import FastNetwork
from iscene_ros.models.mini.network import token_positions
from iscene_ros.models.mini.predicted_shape import DistanceShape
from iscene_ros.models.mini.scene_sampler import (
    CropInputs,
    SceneSamplerOptions,
    sample_scene,
)
from iscene_ros.models.mini.separation import separated
from iscene_ros.models.model_config import PRECISIONS, Envelope, ModelConfig
from iscene_ros.models.registry import checkpoint_path
from iscene_ros.preprocess.crops import SceneCrops, share_with_depth
from iscene_ros.preprocess.depth_cleaning import clean_observation
from iscene_ros.preprocess.observation_volume import crop_batch
from iscene_ros.preprocess.view_fusion import fused_readings


@dataclass(frozen=True)
class PredictedDistances:
    """The prediction of the network for N instances, in units of the truncation.

    Attributes:
        mean: (N, R, R, R) float32 signed distance at the voxel centres of the instances' cubes,
            negative inside.
        disagreement: (N, R, R, R) float32; see `SampledCrops`.
    """

    mean: np.ndarray
    disagreement: np.ndarray


def load_shape_model(config: ModelConfig, device: str) -> MiniShapes:
    """Load the checkpoint that a configuration names.

    Raises:
        InputError: an envelope other than the mean, but the weights predict no uncertainty.
        ModelError: unknown name, unreadable file, unknown or unsupported precision.
    """
    model, options = load_model(checkpoint_path(config.name), device), config.options
    if options.precision != PRECISIONS[0] or options.compile:
        network = FastNetwork(model.network, options.precision, options.compile)
        model = replace(model, network=network)
    sampler = SceneSamplerOptions(chunk=options.objects_at_once)
    return MiniShapes(model, sampler, options.envelope)


class MiniShapes:
    """The shape model of a checkpoint of iscene-mini; see `ShapeModel`."""

    needs_depth = True
    uses_evidence = True

    def __init__(
        self,
        model: LoadedModel,
        sampler: SceneSamplerOptions | None = None,
        envelope: Envelope = Envelope.MEAN,
    ) -> None:
        if envelope is not Envelope.MEAN and model.calibration.uncertainty is None:
            raise InputError(
                f"envelope: {envelope.value}, but the uncertainty of {model.name} was never "
                "fitted: use mean, or fit it with iscene evaluate calibrate"
            )
        self.model, self.envelope = model, envelope
        self.sampler = sampler or SceneSamplerOptions()
        self.name, self.checksum, self.device = model.name, model.checksum, model.device

    @property
    def objects_at_once(self) -> int:
        """Instances computed together."""
        return self.sampler.chunk

    def with_model(self, model: LoadedModel) -> MiniShapes:
        """Return the same settings with another network or calibration."""
        return MiniShapes(model, self.sampler, self.envelope)

    def with_objects_at_once(self, count: int) -> MiniShapes:
        """See `ShapeModel.with_objects_at_once`."""
        return MiniShapes(self.model, replace(self.sampler, chunk=count), self.envelope)

    def predict(
        self,
        observation: Observation,
        aligned_frame: GravityAlignedFrame,
        request: CompletionRequest,
        progress: Progress,
    ) -> Prediction:
        """See `ShapeModel.predict`."""
        started = time.perf_counter()
        sampler = self._sampler(request.steps)
        cleaned = clean_observation(observation, aligned_frame, request.evidence)
        observation, rows = cleaned.observation, request.rows(observation)
        # Neighbours limit the shapes that are asked for.
        crops = cleaned.crops.near(rows)
        prepared = time.perf_counter()
        instances, steps = len(crops.instances), sampler.flow.steps
        meshes = sum(crop.index in rows for crop in crops.instances)
        progress.expect(meshes + (1 + instances) * steps if instances else 0)
        distances = self.predict_distances(observation, crops, sampler, request.seed, progress)
        return Prediction(
            observation=observation,
            shapes=self._shapes(observation, crops, distances, request.faces),
            skipped=crops.skipped,
            steps=steps,
            prepare_seconds=prepared - started,
            network_seconds=time.perf_counter() - prepared,
        )

    def predict_distances(
        self,
        observation: Observation,
        crops: SceneCrops,
        options: SceneSamplerOptions,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> PredictedDistances:
        """Return the prediction for the cropped instances of a rectified observation.

        Raises:
            ModelError: the network returned what is no distance.
        """
        if not crops.instances:
            none = np.zeros((0, *(self.model.network.config.resolution,) * 3), np.float32)
            return PredictedDistances(none, none)
        inputs = self._inputs(observation, crops)
        advance = (progress or Progress(None)).network
        sampled = sample_scene(self.model.network, inputs, options, seed, advance)
        distances = PredictedDistances(sampled.x0.numpy(), sampled.disagreement.numpy())
        if not np.isfinite(distances.mean).all():
            raise ModelError(
                f"model {self.name}: its output is not finite; the weights are damaged or "
                "the precision of the device is too low"
            )
        return distances

    def _inputs(self, observation: Observation, crops: SceneCrops) -> CropInputs:
        """Return the inputs of the scene crop and of the cropped instances."""
        config = self.model.network.config
        batch = crop_batch(observation, crops, True, self.device)
        volumes = batch.observe(config.resolution, config.truncation)
        if any(crop.further_views for crop in crops.instances):
            grid = config.resolution, config.truncation, self.device
            fused = fused_readings(observation, crops.instances, crops.aligned_frame, *grid)
            volumes = volumes.with_instances(fused.surface, fused.gap, fused.pixel_class)
        scene = batch.centers[:1].expand_as(batch.centers), batch.sizes[:1].expand_as(batch.sizes)
        side = config.flow.tokens_per_side
        positions = token_positions(batch.centers, batch.sizes, *scene, side)
        ids = (observation.instance_ids[crop.index] for crop in crops.instances)
        return CropInputs(volumes.channels(), positions, (0, *ids))

    def _sampler(self, steps: int | None) -> SceneSamplerOptions:
        if steps is None:
            return self.sampler
        return replace(self.sampler, flow=replace(self.sampler.flow, steps=steps))

    def _shapes(
        self, observation: Observation, crops: SceneCrops, distances: PredictedDistances, faces: int
    ) -> tuple[DistanceShape, ...]:
        """The planned instances with what was predicted for each."""
        shapes = tuple(
            DistanceShape(
                crop=crop,
                distance=mean,
                disagreement=disagreement,
                readings=share_with_depth(observation, crop),
                truncation=self.model.network.config.truncation,
                calibration=self.model.calibration,
                faces=faces,
                envelope=self.envelope,
            )
            for crop, mean, disagreement in zip(
                crops.instances, distances.mean, distances.disagreement, strict=True
            )
        )
        return separated(shapes)
