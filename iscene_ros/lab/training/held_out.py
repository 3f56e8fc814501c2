"""The held-out score of a run: voxel overlap on shape families that training never sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from iscene_ros.lab.training.batches import TrainingBatch, make_batch
from iscene_ros.lab.training.objective import predict
from iscene_ros.lab.training.samples import CropSamples
from iscene_ros.models.mini.network import VolumeSceneFlow


@dataclass(frozen=True)
class HeldOutScore:
    """Means over instance crops of one-step predictions.

    Attributes:
        loss: Mean absolute error of the truncated distance.
        iou: Intersection over union of the occupied voxels, in [0, 1].
    """

    loss: float
    iou: float


@torch.inference_mode()
def held_out_score(
    network: VolumeSceneFlow,
    views: Iterable[CropSamples],
    use_scene_crop: bool,
    device: torch.device,
) -> HeldOutScore:
    """Score the network on views with scene crops, which it sees only with `use_scene_crop`."""
    losses, overlaps = [], []
    for view in views:
        batch = make_batch([view], network.config.flow.tokens_per_side, np.array([False]), device)
        if not use_scene_crop:
            batch = TrainingBatch(batch.volume[1:], batch.target[1:], batch.positions[1:], None)
        # At time 1 the network does not see the noisy distance.
        time = torch.ones(len(batch.target), device=device)
        x0 = predict(network, torch.zeros_like(batch.target), time, batch)
        x0, target = x0[batch.scene_count :], batch.target[batch.scene_count :]
        losses += (x0 - target).abs().mean((1, 2, 3)).tolist()
        intersection = ((x0 < 0) & (target < 0)).sum((1, 2, 3))
        union = ((x0 < 0) | (target < 0)).sum((1, 2, 3)).clamp_min(1)
        overlaps += (intersection / union).tolist()
    return HeldOutScore(float(np.mean(losses)), float(np.mean(overlaps)))
