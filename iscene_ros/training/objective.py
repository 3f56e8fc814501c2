"""What the flow learns: the clean signed distance behind a noisy one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from iscene_ros.model.volume_flow import VolumeSceneFlow
from iscene_ros.training.batches import TrainingBatch


@dataclass(frozen=True)
class ObjectiveOptions:
    """Loss and noise.

    Attributes:
        pure_noise_share: share of the slots trained at t = 1, where one step is the answer; the
            others draw t from logitNormal(1, 1), as TRELLIS does.
        unconditional_share: share of the slots whose observation is hidden, for guidance.
        seen_free_weight: weight of voxels that the camera saw to be empty, against 1.
        surface_weight: weight of voxels within half the truncation of the true surface, against 1;
            thin walls hold few voxels, and a wrong sign there costs little distance.
        scene_weight: weight of scene slots, against 1.
    """

    pure_noise_share: float = 0.6
    unconditional_share: float = 0.0
    seen_free_weight: float = 0.25
    surface_weight: float = 1.0
    scene_weight: float = 0.5


def flow_loss(
    network: VolumeSceneFlow,
    batch: TrainingBatch,
    options: ObjectiveOptions,
    generator: torch.Generator,
) -> Tensor:
    """Mean absolute error of the predicted x0 over voxels, at random times.

    x_t = (1 - t) x0 + t eps as in the paper; the network predicts x0, from which the velocity is
    (x_t - x0) / t. The absolute error makes the zero level the median surface.
    """
    slots = len(batch.target)
    device = batch.target.device
    time = torch.sigmoid(_normal((slots,), generator, device) + 1)
    at_noise = _uniform(slots, generator, device) < options.pure_noise_share
    time = torch.where(at_noise, torch.ones_like(time), time)
    noise = _normal(batch.target.shape, generator, device)
    t = time[:, None, None, None]
    noisy = (1 - t) * batch.target + t * noise
    volume = batch.volume
    if options.unconditional_share:
        hidden = _uniform(slots, generator, device) < options.unconditional_share
        volume = volume * (~hidden)[:, None, None, None, None]
    x0 = predict(network, noisy, time, replace(batch, volume=volume))
    weight = _weights(batch, options)
    return ((x0 - batch.target).abs() * weight).sum() / weight.sum()


def predict(network: VolumeSceneFlow, noisy: Tensor, time: Tensor, batch: TrainingBatch) -> Tensor:
    """x0 (S, R, R, R) of all slots of a batch, scene slots first."""
    if batch.scene_of_slot is None:
        return network(noisy, time, batch.volume, batch.positions)[0]
    scenes = len(batch.volume) - len(batch.scene_of_slot)
    slots = (noisy, time, batch.volume, batch.positions)
    x0_scenes, memory = network(*(t[:scenes] for t in slots))
    x0, _ = network(*(t[scenes:] for t in slots), memory.rows(batch.scene_of_slot))
    return torch.cat([x0_scenes, x0])


def _weights(batch: TrainingBatch, options: ObjectiveOptions) -> Tensor:
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


def _normal(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device).to(device)


def _uniform(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.rand(count, generator=generator, device=generator.device).to(device)
