"""Shapes by iscene-mini 2: fine signed distances in one crop an instance, in a single pass."""

from __future__ import annotations

import time

import numpy as np
import torch

from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.models.base import CompletionRequest, Prediction, Progress
from iscene_ros.models.mini.checkpoint import LoadedModel
from iscene_ros.models.mini.separation import separated
from iscene_ros.models.mini.shape_model import PredictedDistances
from iscene_ros.models.mini2.checkpoint import load_model
from iscene_ros.models.mini2.config import Mini2Config
from iscene_ros.models.mini2.predicted_shape import FineDistanceShape
from iscene_ros.models.model_config import CompletionOptions, Envelope, ModelConfig
from iscene_ros.models.registry import checkpoint_path
from iscene_ros.preprocess.crops import InstanceCrop, SceneCrops, share_with_depth
from iscene_ros.preprocess.depth_cleaning import clean_observation
from iscene_ros.preprocess.view_fusion import fused_readings
from iscene_ros.preprocess.view_readings import FineVolumes

PRECISIONS = ("float32", "bfloat16")


def load_shape_model(config: ModelConfig, device: str) -> FineShapes:
    """Load the checkpoint that a configuration names.

    Raises:
        InputError: a precision or compilation that iscene-mini 2 does not have, or an envelope
            other than the mean although the weights predict no uncertainty.
        ModelError: unknown name or unreadable file.
    """
    options: CompletionOptions = config.options
    if options.compile or options.precision not in PRECISIONS:
        raise InputError(
            f"precision, compile: iscene-mini 2 runs uncompiled in {' or '.join(PRECISIONS)}"
        )
    model = load_model(checkpoint_path(config.name), device)
    is_mixed = options.precision == "bfloat16"
    return FineShapes(model, options.envelope, options.objects_at_once, is_mixed)


class FineShapes:
    """The shape model of a checkpoint of iscene-mini 2; see `ShapeModel`.

    Args:
        model: network and calibration.
        envelope: which surface of those that the prediction leaves open.
        objects_at_once: crops computed together.
        is_mixed: whether the network runs in bfloat16 (autocast).

    Raises:
        InputError: an envelope other than the mean, but the weights predict no uncertainty.
    """

    needs_depth = True
    uses_evidence = True

    def __init__(
        self,
        model: LoadedModel,
        envelope: Envelope = Envelope.MEAN,
        objects_at_once: int = 8,
        is_mixed: bool = False,
    ) -> None:
        if envelope is not Envelope.MEAN and model.calibration.uncertainty is None:
            raise InputError(
                f"envelope: {envelope.value}, but the uncertainty of {model.name} was never "
                "fitted: use mean, or fit it with iscene evaluate calibrate"
            )
        self.model, self.envelope = model, envelope
        self.objects_at_once, self.is_mixed = objects_at_once, is_mixed
        self.name, self.checksum, self.device = model.name, model.checksum, model.device

    def with_model(self, model: LoadedModel) -> FineShapes:
        """Return the same settings with another network or calibration."""
        return FineShapes(model, self.envelope, self.objects_at_once, self.is_mixed)

    def with_objects_at_once(self, count: int) -> FineShapes:
        """See `ShapeModel.with_objects_at_once`."""
        return FineShapes(self.model, self.envelope, count, self.is_mixed)

    def predict(
        self,
        observation: Observation,
        aligned_frame: GravityAlignedFrame,
        request: CompletionRequest,
        progress: Progress,
    ) -> Prediction:
        """See `ShapeModel.predict`."""
        started = time.perf_counter()
        cleaned = clean_observation(observation, aligned_frame, request.evidence)
        observation, rows = cleaned.observation, request.rows(observation)
        # Neighbours limit the shapes that are asked for.
        crops = cleaned.crops.near(rows)
        prepared = time.perf_counter()
        meshes = sum(crop.index in rows for crop in crops.instances)
        progress.expect(meshes + len(crops.instances))
        distances = self.predict_distances(observation, crops, progress)
        return Prediction(
            observation=observation,
            shapes=self._shapes(observation, crops, distances, request.faces),
            skipped=crops.skipped,
            steps=1,
            prepare_seconds=prepared - started,
            network_seconds=time.perf_counter() - prepared,
        )

    @torch.inference_mode()
    def predict_distances(
        self, observation: Observation, crops: SceneCrops, progress: Progress | None = None
    ) -> PredictedDistances:
        """Return the prediction for the cropped instances of a rectified observation.

        Raises:
            ModelError: the network returned what is no distance.
        """
        config = self.model.network.config
        advance = (progress or Progress(None)).network
        means = [np.zeros((0, *(config.resolution,) * 3), np.float32)]
        errors = list(means)
        for first in range(0, len(crops.instances), self.objects_at_once):
            chunk = crops.instances[first : first + self.objects_at_once]
            volumes = observed_volumes(observation, chunk, crops.aligned_frame, config, self.device)
            with torch.autocast(self.device, torch.bfloat16, enabled=self.is_mixed):
                predicted = self.model.network(volumes)
            means.append(predicted.distance.float().cpu().numpy())
            errors.append(predicted.error.float().cpu().numpy())
            advance(len(chunk))
        distances = PredictedDistances(np.concatenate(means), np.concatenate(errors))
        if not np.isfinite(distances.mean).all():
            raise ModelError(
                f"model {self.name}: its output is not finite; the weights are damaged or "
                "the precision of the device is too low"
            )
        return distances

    def _shapes(
        self, observation: Observation, crops: SceneCrops, distances: PredictedDistances, faces: int
    ) -> tuple[FineDistanceShape, ...]:
        """Return the cropped instances with the prediction for each."""
        shapes = tuple(
            FineDistanceShape(
                crop=crop,
                distance=mean,
                disagreement=error,
                readings=share_with_depth(observation, crop),
                truncation=self.model.network.config.truncation,
                calibration=self.model.calibration,
                faces=faces,
                envelope=self.envelope,
            )
            for crop, mean, error in zip(
                crops.instances, distances.mean, distances.disagreement, strict=True
            )
        )
        return separated(shapes)


def observed_volumes(
    observation: Observation,
    crops: tuple[InstanceCrop, ...],
    aligned_frame: GravityAlignedFrame,
    config: Mini2Config,
    device: str,
) -> FineVolumes:
    """Return what all views measure in the crops of some instances, at least one."""
    grid = config.resolution, config.truncation
    readings = fused_readings(observation, crops, aligned_frame, *grid, device)
    supports = np.array(
        [(c.support_height - c.cube.center_aligned[2]) / c.cube.size for c in crops], np.float32
    )
    return readings.quantised(torch.from_numpy(supports).to(device))
