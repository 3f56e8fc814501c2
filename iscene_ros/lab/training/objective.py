"""The training objective: rectified flow matching that predicts the clean signed distance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from iscene_ros.lab.training.batches import StepNoise, TrainingBatch

# Flow times are the sigmoid of a normal number with this mean and deviation 1 (TRELLIS,
# arXiv 2412.01506).
TIME_MEAN = 1.0
# Weight of voxels that the camera observed to be empty, relative to 1.
FREE_SPACE_WEIGHT = 0.25
# Weight of scene crops, against 1.
SCENE_WEIGHT = 0.5
# Distance [truncations] over which a voxel goes from empty to solid in the soft overlap.
OVERLAP_WIDTH = 0.125


@dataclass(frozen=True)
class ObjectiveOptions:
    """Loss and noise.

    Attributes:
        pure_noise_share: Share of the crops that are trained at t = 1, from where inference takes
            one step; the others draw a random time.
        surface_weight: Weight of voxels within half the truncation of the true surface, against 1;
            thin walls hold few voxels, and a wrong sign there costs little distance.
        overlap_weight: Weight of one minus the soft intersection over union of each crop, beside
            the absolute error, whose median drops thin and uncertain parts; 0 = none.
    """

    pure_noise_share: float = 0.6
    surface_weight: float = 1.0
    overlap_weight: float = 0.0


def training_times(noise: StepNoise, options: ObjectiveOptions) -> Tensor:
    """Return the flow times (S,) in (0, 1]."""
    time = torch.sigmoid(noise.time + TIME_MEAN)
    return torch.where(noise.pure < options.pure_noise_share, torch.ones_like(time), time)


def flow_loss(
    network: nn.Module, batch: TrainingBatch, options: ObjectiveOptions, noise: StepNoise
) -> Tensor:
    """Return the weighted mean absolute error of the predicted x0 over all voxels, a scalar.

    x_t = (1 - t) x0 + t eps as in I-Scene (arXiv 2512.13683). The absolute error makes the zero
    level the median surface.
    """
    time = training_times(noise, options)
    t = time[:, None, None, None]
    noisy = (1 - t) * batch.target + t * noise.voxels
    x0 = predict(network, noisy, time, batch)
    error = (x0 - batch.target).abs()
    if options.overlap_weight:
        missed = 1 - soft_overlap(x0, batch.target, OVERLAP_WIDTH)
        error = error + options.overlap_weight * missed[:, None, None, None]
    weight = voxel_weights(batch, options)
    return (error * weight).sum() / weight.sum()


def predict(network: nn.Module, noisy: Tensor, time: Tensor, batch: TrainingBatch) -> Tensor:
    """Return x0 (S, R, R, R) of all crops of a batch, scene crops first.

    Args:
        network: A `VolumeSceneFlow`.
        noisy: (S, R, R, R) x_t.
        time: (S,) flow times.
        batch: The observation of the crops.
    """
    crops = (noisy, time, batch.volume, batch.positions)
    if batch.scene_of_crop is None:
        return network(*crops)[0]
    scenes = batch.scene_count
    x0_scenes, memory = network(*(t[:scenes] for t in crops))
    x0, _ = network(*(t[scenes:] for t in crops), memory.rows(batch.scene_of_crop))
    return torch.cat([x0_scenes, x0])


def soft_overlap(a: Tensor, b: Tensor, width: float) -> Tensor:
    """Return the intersection over union (S,) in [0, 1] of two signed distances (S, R, R, R).

    Occupancies are sigmoids of the distance over `width`. The quotient of minimum and maximum is
    one for equal soft occupancies, which that of products is not (arXiv 2302.05666).
    """
    a, b = torch.sigmoid(-a / width), torch.sigmoid(-b / width)
    union = torch.maximum(a, b).sum((1, 2, 3))
    return torch.minimum(a, b).sum((1, 2, 3)) / union.clamp_min(1.0)


def voxel_weights(batch: TrainingBatch, options: ObjectiveOptions) -> Tensor:
    """Return the weight (S, R, R, R) of every voxel in the loss."""
    known_free = batch.volume[:, 3]
    weight = 1 - (1 - FREE_SPACE_WEIGHT) * known_free
    weight = torch.where(batch.target.abs() < 0.5, options.surface_weight * weight, weight)
    weight[: batch.scene_count] *= SCENE_WEIGHT
    return weight
