"""The score by which the best checkpoint is kept: voxel overlap on unseen shape families."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from iscene_ros.lab.training.batches import TrainingBatch, make_batch
from iscene_ros.lab.training.objective import predict
from iscene_ros.lab.training.samples import CropSamples
from iscene_ros.models.iscene.sampling.flow_sampler import seeded_noise
from iscene_ros.models.mini.network import VolumeSceneFlow

NOISE_SEED = 0


@dataclass(frozen=True)
class HeldOutScore:
    """Means over instance slots of one-step predictions.

    Attributes:
        loss: mean absolute error of the truncated distance.
        iou: intersection over union of the occupied voxels, in [0, 1].
        token_variation: share of the transformer's output in [0, 1] that differs from token to
            token: near 0 it says the same whatever it is given, and its weights are idle.
    """

    loss: float
    iou: float
    token_variation: float


@torch.inference_mode()
def held_out_score(
    network: VolumeSceneFlow,
    views: Iterable[CropSamples],
    use_scene_slot: bool,
    device: torch.device,
) -> HeldOutScore:
    """Score the network on views that have scene slots; without their use where not wanted."""
    losses, overlaps, variations = [], [], []

    def look(_transformer: nn.Module, _given: tuple, made: tuple) -> None:
        variations.append(_variation(made[0]))

    with network.transformer.register_forward_hook(look):
        for number, view in enumerate(views):
            x0, target = _instances(network, view, use_scene_slot, number, device)
            losses += (x0 - target).abs().mean((1, 2, 3)).tolist()
            both = ((x0 < 0) & (target < 0)).sum((1, 2, 3))
            either = ((x0 < 0) | (target < 0)).sum((1, 2, 3)).clamp_min(1)
            overlaps += (both / either).tolist()
    return HeldOutScore(*(float(np.mean(values)) for values in (losses, overlaps, variations)))


def _instances(
    network: VolumeSceneFlow,
    view: CropSamples,
    use_scene_slot: bool,
    number: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """What is predicted in one step of a view's instances, and the truth: each (N, R, R, R)."""
    batch = make_batch([view], network.config.flow.tokens_per_side, np.array([False]), device)
    if not use_scene_slot:
        batch = TrainingBatch(batch.volume[1:], batch.target[1:], batch.positions[1:], None)
    noise = seeded_noise(tuple(batch.target.shape), NOISE_SEED, number).to(device)
    x0 = predict(network, noise, torch.ones(len(noise), device=device), batch)
    instances = slice(1 if use_scene_slot else 0, None)
    return x0[instances], batch.target[instances]


def _variation(tokens: Tensor) -> float:
    """Of (S, L, C): how far it is from the mean token, relative to its size."""
    from_mean = tokens - tokens.mean((0, 1))
    return (from_mean.square().mean() / tokens.square().mean()).sqrt().item()
