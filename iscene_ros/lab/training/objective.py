"""The training objective: truncated signed distances and their expected errors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from iscene_ros.models.mini.network import PredictedVolumes

# Weight of voxels within some distance [truncations] of the true surface, against 1.
SURFACE_WEIGHT, SURFACE_REACH = 10.0, 0.35
# Weight of voxels observed to be free, against 1.
FREE_WEIGHT = 0.25
# Weight of one minus the soft intersection over union of the solids, and the distance
# [truncations] over which a voxel goes from empty to solid there.
OVERLAP_WEIGHT, OVERLAP_WIDTH = 0.9, 0.1
# Weight of the same loss of the output at half the resolution.
COARSE_WEIGHT = 0.4
# Weight of the loss of the expected error.
ERROR_WEIGHT = 0.2


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
) -> Loss:
    """Return the absolute error of distances, weighted towards surfaces, plus missed overlap."""
    weight = torch.where(observed_free, FREE_WEIGHT, 1.0)
    near = target.abs() < SURFACE_REACH
    weight = torch.where(near, SURFACE_WEIGHT * weight, weight)
    total = weight.sum()
    error = (predicted.distance - target).abs()
    distance = (error * weight).sum() / total
    overlap = 1 - soft_overlap(predicted.distance, target, OVERLAP_WIDTH).mean()
    coarse_target, coarse_weight = _halved(target), _halved(weight)
    coarse_error = (predicted.coarse - coarse_target).abs()
    coarse = (coarse_error * coarse_weight).sum() / coarse_weight.sum()
    width = 1.5 * OVERLAP_WIDTH
    coarse = coarse + OVERLAP_WEIGHT * (
        1 - soft_overlap(predicted.coarse, coarse_target, width).mean()
    )
    expected = ((predicted.error - error.detach()).abs() * weight).sum() / total
    loss = distance + OVERLAP_WEIGHT * overlap + COARSE_WEIGHT * coarse
    return Loss(loss + ERROR_WEIGHT * expected, distance.detach(), overlap.detach())


def soft_overlap(a: Tensor, b: Tensor, width: float) -> Tensor:
    """Return the intersection over union (S,) in [0, 1] of two signed distances (S, R, R, R).

    Occupancies are sigmoids of the distance over `width`. The quotient of minimum and maximum is
    one for equal soft occupancies, which that of products is not (arXiv 2302.05666).
    """
    a, b = torch.sigmoid(-a / width), torch.sigmoid(-b / width)
    union = torch.maximum(a, b).sum((1, 2, 3))
    return torch.minimum(a, b).sum((1, 2, 3)) / union.clamp_min(1.0)


def _halved(grid: Tensor) -> Tensor:
    return F.avg_pool3d(grid[:, None], 2)[:, 0]
