"""Few steps that equal many: consistency distillation of a finished network.

As in arXiv 2303.01469 (algorithm 2), with the student itself under a stopped gradient in place of
its moving average, as arXiv 2310.14189 recommends. On the teacher's path from noise to data, cut
into N Euler steps, the student's x0 at one time must equal its own x0 one step of the teacher
further; at the path's end it is the teacher's. A network that predicts x0 is its own consistency
function, so it needs no further input and the checkpoint stays what it was.

A network of `prediction: x` does not see pure noise. At t = 1 it can only learn the median of where
the teacher's paths end, not the end of each.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iscene_ros.lab.training.batches import TrainingBatch
from iscene_ros.lab.training.draws import Draws
from iscene_ros.lab.training.objective import (
    ObjectiveOptions,
    noisy_target,
    predict,
    voxel_weights,
    weighted_mean,
)


def distillation_loss(
    network: nn.Module,
    teacher: nn.Module,
    batch: TrainingBatch,
    options: ObjectiveOptions,
    draws: Draws,
    total_weight: Tensor | None = None,
) -> Tensor:
    """Mean absolute difference of the student's x0 before and after a step of the teacher.

    All slots of a scene stand at the same time, as when a scene is sampled.
    """
    number = _step_numbers(batch, options, draws)
    time, next_time = number / options.distill_steps, (number - 1) / options.distill_steps
    noisy = noisy_target(batch, time, draws)
    with torch.no_grad():
        kept = (next_time / time)[:, None, None, None]
        further = kept * noisy + (1 - kept) * predict(teacher, noisy, time, batch)
        goal = predict(network, further, next_time, batch)
        goal = torch.where((number == 1)[:, None, None, None], further, goal)
    error = (predict(network, noisy, time, batch) - goal).abs()
    return weighted_mean(error, voxel_weights(batch, options), total_weight)


def _step_numbers(batch: TrainingBatch, options: ObjectiveOptions, draws: Draws) -> Tensor:
    """(S,) in 1..N, counted from the data; the share `pure_noise_share` starts at N."""
    steps, share = options.distill_steps, options.pure_noise_share
    spread = ((draws.choice - share).clamp_min(0) / max(1 - share, 1e-6) * steps).floor() + 1
    number = torch.where(draws.choice < share, steps, spread.clamp_max(steps))
    if batch.scene_of_slot is None:
        return number
    scenes = len(batch.target) - len(batch.scene_of_slot)
    return torch.cat([number[:scenes], number[:scenes][batch.scene_of_slot]])
