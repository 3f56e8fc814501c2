"""The held-out score of a run: voxel overlap on samples of held-out families."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from iscene_ros.lab.training.samples import Samples
from iscene_ros.models.mini.network import MiniNetwork


@dataclass(frozen=True)
class HeldOutScore:
    """Means over crops.

    Attributes:
        error: mean absolute error of the truncated distance.
        iou: intersection over union of occupied voxels, of crops of one view.
        fused_iou: the same of crops of several views.
        coarse_iou: of the output at half the resolution, all crops.
    """

    error: float
    iou: float
    fused_iou: float
    coarse_iou: float

    def __str__(self) -> str:
        return (
            f"held-out error {self.error:.4f}, voxel IoU {100 * self.iou:.2f} % (1 view), "
            f"{100 * self.fused_iou:.2f} % (fused), {100 * self.coarse_iou:.2f} % (coarse)"
        )


@torch.inference_mode()
def held_out_score(
    network: MiniNetwork, parts: Iterable[Samples], device: torch.device, mixed: bool
) -> HeldOutScore:
    """Score a network, in bfloat16 (autocast) if `mixed`; without samples the score is NaN."""
    rows = []
    for samples in parts:
        for index in torch.arange(len(samples.target)).split(8):
            rows += _scored(network, samples.rows(index), device, mixed)
    table = np.array(rows).reshape(-1, 4)
    single = table[:, 3] == 1

    def mean(column: int, mask: np.ndarray) -> float:
        return float(table[mask, column].mean()) if mask.any() else float("nan")

    everything = np.ones_like(single)
    return HeldOutScore(mean(0, everything), mean(1, single), mean(1, ~single), mean(2, everything))


def _scored(
    network: MiniNetwork, samples: Samples, device: torch.device, mixed: bool
) -> list[tuple[float, float, float, int]]:
    target = samples.target.to(device).float() / 127
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        predicted = network(samples.volumes.to(device))
    error = (predicted.distance.clamp(-1, 1) - target).abs().mean((1, 2, 3))
    coarse = predicted.coarse
    for axis in (1, 2, 3):
        coarse = coarse.repeat_interleave(2, axis)
    values = (error, _overlap(predicted.distance, target), _overlap(coarse, target))
    columns = [v.float().cpu().tolist() for v in values]
    return list(zip(*columns, samples.views.tolist(), strict=True))


def _overlap(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    both = ((a < 0) & (b < 0)).sum((1, 2, 3))
    either = ((a < 0) | (b < 0)).sum((1, 2, 3)).clamp_min(1)
    return both / either
