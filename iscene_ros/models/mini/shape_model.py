"""Shapes by iscene-mini: signed distances in one crop an instance, in a single pass."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.models.base import CompletionRequest, Prediction, Progress
from iscene_ros.models.mini.checkpoint import LoadedModel, load_model
from iscene_ros.models.mini.cuboid import fitted_cuboid
from iscene_ros.models.mini.predicted_shape import DistanceShape
from iscene_ros.models.mini.separation import separated
from iscene_ros.models.model_config import Envelope, ModelConfig
from iscene_ros.models.registry import checkpoint_path
from iscene_ros.preprocess.crops import SceneCrops, share_with_depth
from iscene_ros.preprocess.depth_cleaning import clean_observation
from iscene_ros.preprocess.view_fusion import fused_readings

# Expected error of a box, whose hidden faces are known from the rims of the seen ones.
CUBOID_ERROR_VOXELS = 0.5


@dataclass(frozen=True)
class PredictedDistances:
    """The prediction of the network for N instances, in units of the truncation.

    Attributes:
        distance: (N, R, R, R) float32 signed distance at the voxel centres of the instances' cubes,
            negative inside.
        error: (N, R, R, R) float32 expected absolute error of it.
        observed: (N, R, R, R) int8 what it was predicted from, `ObservationVolumes.surface`.
    """

    distance: np.ndarray
    error: np.ndarray
    observed: np.ndarray


def load_shape_model(config: ModelConfig, device: str) -> MiniShapes:
    """Load the checkpoint that a configuration names.

    Raises:
        InputError: an envelope other than the mean, but the weights predict no uncertainty.
        ModelError: unknown name or unreadable file.
    """
    model, options = load_model(checkpoint_path(config.name), device), config.options
    is_mixed = options.precision == "bfloat16"
    return MiniShapes(model, options.envelope, options.objects_at_once, is_mixed)


class MiniShapes:
    """The shape model of a checkpoint of iscene-mini; see `ShapeModel`.

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

    def with_model(self, model: LoadedModel) -> MiniShapes:
        """Return the same settings with another network or calibration."""
        return MiniShapes(model, self.envelope, self.objects_at_once, self.is_mixed)

    def with_objects_at_once(self, count: int) -> MiniShapes:
        """See `ShapeModel.with_objects_at_once`."""
        return MiniShapes(self.model, self.envelope, count, self.is_mixed)

    def predict(
        self,
        observation: Observation,
        aligned_frame: GravityAlignedFrame,
        request: CompletionRequest,
        progress: Progress,
    ) -> Prediction:
        """See `ShapeModel.predict`; a regression: steps and seed of the request are ignored."""
        started = time.perf_counter()
        cleaned = clean_observation(observation, aligned_frame, request.evidence)
        observation, rows = cleaned.observation, request.rows(observation)
        # Neighbours limit the shapes that are asked for.
        crops = cleaned.crops.near(rows)
        prepared = time.perf_counter()
        meshes = sum(crop.index in rows for crop in crops.instances)
        progress.total = meshes + len(crops.instances)
        predicted = self.predict_distances(observation, crops, progress)
        found = zip(
            crops.instances, predicted.distance, predicted.error, predicted.observed, strict=True
        )
        shapes = []
        for crop, distance, error, observed in found:
            shape = DistanceShape(
                crop=crop,
                distance=distance,
                error=error,
                readings=share_with_depth(observation, crop),
                truncation=self.model.network.config.truncation,
                calibration=self.model.calibration,
                faces=request.faces,
                envelope=self.envelope,
            )
            shapes.append(_as_cuboid(shape, observed))
        return Prediction(
            observation=observation,
            shapes=separated(shapes),
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
        progress = progress or Progress(None)
        distances = [np.zeros((0, *(config.resolution,) * 3), np.float32)]
        errors = list(distances)
        observed = [np.zeros((0, *(config.resolution,) * 3), np.int8)]
        for first in range(0, len(crops.instances), self.objects_at_once):
            chunk = crops.instances[first : first + self.objects_at_once]
            grid = config.resolution, config.truncation, self.device
            readings = fused_readings(observation, chunk, crops.aligned_frame, *grid)
            supports = [(c.support_height - c.cube.center_aligned[2]) / c.cube.size for c in chunk]
            supports = torch.from_numpy(np.array(supports, np.float32)).to(self.device)
            volumes = readings.quantised(supports)
            with torch.autocast(self.device, torch.bfloat16, enabled=self.is_mixed):
                predicted = self.model.network(volumes)
            distances.append(predicted.distance.float().cpu().numpy())
            errors.append(predicted.error.float().cpu().numpy())
            observed.append(volumes.surface.cpu().numpy())
            progress.advance(len(chunk))
        predicted = PredictedDistances(*map(np.concatenate, (distances, errors, observed)))
        if not (np.isfinite(predicted.distance).all() and np.isfinite(predicted.error).all()):
            raise ModelError(
                f"model {self.name}: its output is not finite; the weights are damaged or "
                "the precision of the device is too low"
            )
        return predicted


def _as_cuboid(shape: DistanceShape, observed: np.ndarray) -> DistanceShape:
    """Return the shape as a box with flat faces and sharp edges where what is seen tells one."""
    cube, surface = shape.crop.cube, observed.astype(np.float32) / 127
    height = (shape.crop.support_height - cube.center_aligned[2]) / cube.size
    support = (height + 0.5) * len(observed) - 0.5
    cuboid = fitted_cuboid(shape.seen_voxels, surface, shape.inside, support)
    if cuboid is None:
        return shape
    distance = np.clip(cuboid.distance(len(observed)) / shape.truncation, -1, 1)
    error = np.minimum(shape.error, np.float32(CUBOID_ERROR_VOXELS / shape.truncation))
    return replace(shape, distance=distance + np.float32(shape.calibration.level), error=error)
