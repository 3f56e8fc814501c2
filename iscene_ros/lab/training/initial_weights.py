"""Initial weights of iscene-mini."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

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
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            _set_to_zero(module.conv2)
    for convolution in (network.fine_head, network.down_grid, network.up_grid):
        _set_to_zero(convolution)
    if checkpoint is not None:
        own, known = network.state_dict(), read_network(checkpoint).state_dict()
        fitting = {n: t for n, t in known.items() if n in own and own[n].shape == t.shape}
        network.load_state_dict({**own, **fitting})
    return network


def _set_to_zero(convolution: nn.Conv3d) -> None:
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)
