"""Initial weights of iscene-mini 2: the convolutions of a trained iscene-mini."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iscene_ros.core.errors import ModelError
from iscene_ros.models.mini.grid_blocks import ResidualBlock
from iscene_ros.models.mini.network import VolumeSceneFlow
from iscene_ros.models.mini2.config import Mini2Config
from iscene_ros.models.mini2.network import POOLED_CHANNELS, MultiScaleNetwork


@torch.no_grad()
def new_network(config: Mini2Config, known: VolumeSceneFlow | None = None) -> MultiScaleNetwork:
    """Return a network whose finest and coarsest levels contribute nothing at first.

    With a `known` iscene-mini of the same number of channels and half the resolution, it computes
    at first what that one does at t = 1 without its middle level and transformer; residual blocks
    in excess are dropped or begin as identities (as in Net2Net, arXiv 1511.05641).

    Raises:
        ModelError: the sizes of the known network differ.
    """
    network = MultiScaleNetwork(config)
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            _set_to_zero(module.conv2)
    for convolution in (network.fine_head, network.down_grid, network.up_grid):
        _set_to_zero(convolution)
    if known is not None:
        _take_over(network, known)
    return network


def _take_over(network: MultiScaleNetwork, known: VolumeSceneFlow) -> None:
    config, old = network.config, known.config
    same = old.resolution * 2 == config.resolution and old.truncation * 2 == config.truncation
    if not same or old.grid_channels != config.channels[1]:
        raise ModelError(f"a model of {old} does not hold the beginning of {config}")
    network.down_pooled.weight.copy_(known.down_grid.weight[:, :POOLED_CHANNELS])
    # Noise fades out at t = 1, and the time is one everywhere.
    time = known.down_grid.weight[:, POOLED_CHANNELS + 1].sum((1, 2, 3))
    network.down_pooled.bias.copy_(known.down_grid.bias + time)
    _take_blocks(network.grid_encoder, known.encoder)
    _take_blocks(network.grid_decoder, known.decoder)
    network.merge_grid.weight.copy_(_merge_weight(known.merge.weight, old.grid_channels))
    network.merge_grid.bias.copy_(known.merge.bias)
    network.grid_head.load_state_dict(known.head.state_dict())


def _take_blocks(new: nn.Sequential, old: nn.Sequential) -> None:
    for block, known in zip(new, old, strict=False):
        block.load_state_dict(known.state_dict())


def _merge_weight(weight: Tensor, channels: int) -> Tensor:
    """Return weight (O, I, 1, 1, 1) with random values for the inputs from coarser levels.

    They are as large as those for the grid's own features.
    """
    coarse, rest = weight[:, :channels], weight[:, channels:]
    size = weight[:, channels : 2 * channels].square().mean().sqrt()
    return torch.cat([size * torch.randn_like(coarse), rest], 1)


def _set_to_zero(convolution: nn.Conv3d) -> None:
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)
