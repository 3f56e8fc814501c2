"""The objective of iscene-mini 2: truncated signed distances and their expected errors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from iscene_ros.lab.training.objective import soft_overlap
from iscene_ros.models.mini2.network import PredictedVolumes


@dataclass(frozen=True)
class ObjectiveOptions:
    """Weights of the parts of the loss.

    Attributes:
        surface_weight: of voxels within `surface_reach` of the true surface, against 1.
        surface_reach: [truncations].
        free_weight: Weight of voxels observed to be free, against 1.
        overlap_weight: of one minus the soft intersection over union of the solids.
        overlap_width: distance [truncations] over which a voxel goes from empty to solid there.
        coarse_weight: of the same loss of the output at half the resolution.
        error_weight: Weight of the loss of the expected error.
    """

    surface_weight: float = 10.0
    surface_reach: float = 0.35
    free_weight: float = 0.25
    overlap_weight: float = 0.9
    overlap_width: float = 0.1
    coarse_weight: float = 0.4
    error_weight: float = 0.2


@dataclass(frozen=True)
class Loss:
    """The total loss and the parts of the fine distance, scalars."""

    total: Tensor
    distance: Tensor
    overlap: Tensor


def completion_loss(
    predicted: PredictedVolumes,
    target: Tensor,  # [S, R, R, R] in [-1, 1]
    observed_free: Tensor,  # [S, R, R, R] bool
    options: ObjectiveOptions,
) -> Loss:
    """Return the absolute error of distances, weighted towards surfaces, plus missed overlap."""
    weight = torch.where(observed_free, options.free_weight, 1.0)
    near = target.abs() < options.surface_reach
    weight = torch.where(near, options.surface_weight * weight, weight)
    total = weight.sum()
    error = (predicted.distance - target).abs()
    distance = (error * weight).sum() / total
    overlap = 1 - soft_overlap(predicted.distance, target, options.overlap_width).mean()
    coarse_target, coarse_weight = _halved(target), _halved(weight)
    coarse_error = (predicted.coarse - coarse_target).abs()
    coarse = (coarse_error * coarse_weight).sum() / coarse_weight.sum()
    width = 1.5 * options.overlap_width
    coarse = coarse + options.overlap_weight * (
        1 - soft_overlap(predicted.coarse, coarse_target, width).mean()
    )
    expected = ((predicted.error - error.detach()).abs() * weight).sum() / total
    loss = distance + options.overlap_weight * overlap + options.coarse_weight * coarse
    return Loss(loss + options.error_weight * expected, distance.detach(), overlap.detach())


def _halved(grid: Tensor) -> Tensor:
    return F.avg_pool3d(grid[:, None], 2)[:, 0]
