"""Muon for the transformer's matrices, AdamW for the rest, and an average of the weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from iscene_ros.model.volume_flow import VolumeSceneFlow


def make_optimizers(
    network: VolumeSceneFlow, matrix_rate: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Optimisers whose groups carry `relative_rate`, the share of the schedule's learning rate."""
    matrices = [p for n, p in network.named_parameters() if _is_hidden_matrix(n, p)]
    chosen = {id(p) for p in matrices}
    others = [p for p in network.parameters() if id(p) not in chosen]
    adamw = torch.optim.AdamW(
        [{"params": others, "relative_rate": 1.0}], betas=(0.9, 0.98), weight_decay=0.0
    )
    muon = torch.optim.Muon(
        [{"params": matrices, "relative_rate": matrix_rate}],
        weight_decay=weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return [adamw, muon]


def set_learning_rate(optimizers: list[torch.optim.Optimizer], rate: float) -> None:
    """Set the rate of every group."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["relative_rate"]


class WeightAverage:
    """An exponential moving average of a network's weights, short at first."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, weights = list(self.network.parameters()), list(network.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)


def _is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 2 and ".blocks." in name and name.endswith("weight")
