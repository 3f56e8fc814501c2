"""What the flow learns: the clean signed distance behind a noisy one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from iscene_ros.lab.training.batches import TrainingBatch
from iscene_ros.lab.training.draws import Draws
from iscene_ros.models.mini.network import VolumeSceneFlow

# The error of a velocity is that of x0 over the time; below this the quotient only adds noise.
SHORTEST_TIME = 0.02


@dataclass(frozen=True)
class ObjectiveOptions:
    """Loss and noise.

    Attributes:
        pure_noise_share: share of the slots trained at t = 1, where one step is the answer; the
            others draw t as `time_sampling` says.
        time_sampling: "logit_normal" (t = sigmoid of a normal number, TRELLIS: mean 1, deviation
            1) or "uniform".
        time_mean, time_deviation: of that normal number.
        error_of: the mean absolute error is that of "x" (x0) or "v" (the velocity, x0's error
            over t, which weighs times close to the data more), whatever the network predicts.
        unconditional_share: share of the slots whose observation is hidden, for guidance.
        seen_free_weight: weight of voxels that the camera saw to be empty, against 1.
        surface_weight: weight of voxels within half the truncation of the true surface, against 1;
            thin walls hold few voxels, and a wrong sign there costs little distance.
        scene_weight: weight of scene slots, against 1.
        overlap_weight: of one minus the soft intersection over union of each slot's solid, beside
            the error of the distance, whose median leaves out what is thin and unsure; 0 = none.
            Distillation has no such term.
        overlap_width: distance [truncations] over which a voxel goes from empty to solid there.
        distill_steps: 0 = flow matching; N = the network as it was when the phase began is
            distilled, so that one step comes to equal N of it (see `distillation`).
    """

    pure_noise_share: float = 0.6
    time_sampling: str = "logit_normal"
    time_mean: float = 1.0
    time_deviation: float = 1.0
    error_of: str = "x"
    unconditional_share: float = 0.0
    seen_free_weight: float = 0.25
    surface_weight: float = 1.0
    scene_weight: float = 0.5
    overlap_weight: float = 0.0
    overlap_width: float = 0.125
    distill_steps: int = 0

    def __post_init__(self) -> None:
        if self.time_sampling not in ("logit_normal", "uniform"):
            raise ValueError(
                f"time_sampling: {self.time_sampling!r}, expected logit_normal or uniform"
            )
        if self.error_of not in ("x", "v"):
            raise ValueError(f"error_of: {self.error_of!r}, expected x or v")
        if self.distill_steps < 0:
            raise ValueError(f"distill_steps: {self.distill_steps}, expected 0 or more")
        if self.overlap_width <= 0:
            raise ValueError(f"overlap_width: {self.overlap_width}, expected more than 0")


def training_times(draws: Draws, options: ObjectiveOptions) -> Tensor:
    """(S,) times in (0, 1]."""
    if options.time_sampling == "uniform":
        time = torch.special.ndtr(draws.normal).clamp_min(SHORTEST_TIME)
    else:
        time = torch.sigmoid(options.time_deviation * draws.normal + options.time_mean)
    return torch.where(draws.choice < options.pure_noise_share, torch.ones_like(time), time)


def flow_loss(
    network: VolumeSceneFlow,
    batch: TrainingBatch,
    options: ObjectiveOptions,
    draws: Draws,
    total_weight: Tensor | None = None,
) -> Tensor:
    """Mean absolute error of the prediction over voxels, at random times.

    x_t = (1 - t) x0 + t eps as in the paper; the network returns x0, from which the velocity is
    (x_t - x0) / t. The absolute error makes the zero level the median surface. `total_weight` is
    the sum of `voxel_weights` that the mean is over, by default this batch's.
    """
    time = training_times(draws, options)
    noisy = noisy_target(batch, time, draws)
    x0 = predict(network, noisy, time, observed(batch, options, draws))
    error = (x0 - batch.target).abs()
    if options.error_of == "v":
        error = error / time.clamp_min(SHORTEST_TIME)[:, None, None, None]
    if options.overlap_weight:
        missed = 1 - soft_overlap(x0, batch.target, options.overlap_width)
        error = error + options.overlap_weight * missed[:, None, None, None]
    return weighted_mean(error, voxel_weights(batch, options), total_weight)


def noisy_target(batch: TrainingBatch, time: Tensor, draws: Draws) -> Tensor:
    """(S, R, R, R) x_t at the times (S,)."""
    t = time[:, None, None, None]
    return (1 - t) * batch.target + t * draws.noise


def observed(batch: TrainingBatch, options: ObjectiveOptions, draws: Draws) -> TrainingBatch:
    """The batch with the observation of some slots hidden."""
    if not options.unconditional_share:
        return batch
    hidden = draws.hiding < options.unconditional_share
    return replace(batch, volume=batch.volume * (~hidden)[:, None, None, None, None])


def predict(network: nn.Module, noisy: Tensor, time: Tensor, batch: TrainingBatch) -> Tensor:
    """x0 (S, R, R, R) of all slots of a batch, scene slots first."""
    if batch.scene_of_slot is None:
        return network(noisy, time, batch.volume, batch.positions)[0]
    scenes = len(batch.volume) - len(batch.scene_of_slot)
    slots = (noisy, time, batch.volume, batch.positions)
    x0_scenes, memory = network(*(t[:scenes] for t in slots))
    x0, _ = network(*(t[scenes:] for t in slots), memory.rows(batch.scene_of_slot))
    return torch.cat([x0_scenes, x0])


def soft_overlap(a: Tensor, b: Tensor, width: float) -> Tensor:
    """(S,) intersection over union in [0, 1] of the solids of signed distances (S, R, R, R).

    Solids with soft rims, for which least over greatest is one where both are equal, as a product
    would not be (arXiv 2302.05666).
    """
    a, b = torch.sigmoid(-a / width), torch.sigmoid(-b / width)
    either = torch.maximum(a, b).sum((1, 2, 3))
    return torch.minimum(a, b).sum((1, 2, 3)) / either.clamp_min(1.0)


def weighted_mean(error: Tensor, weight: Tensor, total_weight: Tensor | None) -> Tensor:
    """The share of this error in the weighted mean over so much weight."""
    return (error * weight).sum() / (weight.sum() if total_weight is None else total_weight)


def voxel_weights(batch: TrainingBatch, options: ObjectiveOptions) -> Tensor:
    """(S, R, R, R) weight of every voxel in the loss."""
    seen_free = batch.volume[:, 3]
    near = batch.target.abs() < 0.5
    weight = 1 - (1 - options.seen_free_weight) * seen_free
    weight = torch.where(near, options.surface_weight * weight, weight)
    if batch.scene_of_slot is not None:
        scenes = len(batch.target) - len(batch.scene_of_slot)
        of_slot = torch.ones(len(weight), device=weight.device)
        of_slot[:scenes] = options.scene_weight
        weight = weight * of_slot[:, None, None, None]
    return weight
