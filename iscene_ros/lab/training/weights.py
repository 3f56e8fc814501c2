"""Weights of iscene-mini: initial ones, averages over steps, means of checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from iscene_ros.core.errors import InputError
from iscene_ros.models.mini.checkpoint import read_network
from iscene_ros.models.mini.config import MiniConfig
from iscene_ros.models.mini.grid_blocks import ResidualBlock
from iscene_ros.models.mini.network import MiniNetwork


@torch.no_grad()
def new_network(config: MiniConfig, checkpoint: Path | None = None) -> MiniNetwork:
    """Return a network whose finest and coarsest levels contribute nothing at first.

    Of a checkpoint it takes the tensors that it has in the same shape.

    Raises:
        ModelError: the checkpoint cannot be read.
    """
    network = MiniNetwork(config)
    idle = [network.fine_head, network.down_grid, network.up_grid]
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            idle.append(module.conv2)
    for convolution in idle:
        nn.init.zeros_(convolution.weight)
        nn.init.zeros_(convolution.bias)
    if checkpoint is not None:
        own, known = network.state_dict(), read_network(checkpoint).state_dict()
        fitting = {n: t for n, t in known.items() if n in own and own[n].shape == t.shape}
        network.load_state_dict({**own, **fitting})
    return network


class WeightAverage:
    """An exponential moving average of a network's weights whose decay grows at first."""

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


@torch.no_grad()
def mean_network(checkpoints: Sequence[Path]) -> MiniNetwork:
    """Return the network whose weights are the means of those of checkpoints, at least one.

    Checkpoints of one run lie in one valley of the loss, whose middle generalises better than they
    do ("Model soups", arXiv 2203.05482).

    Raises:
        InputError: the checkpoints are of different networks.
        ModelError: one of them cannot be read.
    """
    mean, *others = (read_network(path) for path in checkpoints)
    for path, other in zip(checkpoints[1:], others, strict=True):
        if other.config != mean.config:
            raise InputError(f"{path}: {other.config}, but {checkpoints[0]} has {mean.config}")
    weights = [network.state_dict() for network in (mean, *others)]
    mean.load_state_dict(
        {name: torch.stack([w[name] for w in weights]).mean(0) for name in weights[0]}
    )
    return mean
