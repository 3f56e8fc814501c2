"""An iscene-mini of other sizes that begins with the convolutions of a trained one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.scene_flow_config import MiniConfig
from iscene_ros.models.mini.network import VolumeSceneFlow

GRID_PARTS = ("down_grid.", "encoder.", "decoder.", "merge.", "head.")
COARSE_SIZES = ("middle_channels", "middle_layers", "token_norm", "own_view", "flow")
DEPTHS = ("encoder_layers", "decoder_layers")


def grown(network: VolumeSceneFlow, config: MiniConfig) -> VolumeSceneFlow:
    """A network of other sizes from which training goes on with what this one has learned.

    Of equal sizes, a copy. Otherwise it keeps the convolutions on the grid; residual blocks that
    are added behind them change nothing at first (as in Net2Net, arXiv 1511.05641). What is coarser
    than the grid, the transformer with it, begins anew where its sizes differ, and silent.

    Raises:
        ModelError: the grid differs, or there would be fewer blocks on it.
    """
    _check_grid(network.config, config)
    large = VolumeSceneFlow(config)
    known = network.state_dict()
    if _values(config, COARSE_SIZES) != _values(network.config, COARSE_SIZES):
        known = {name: t for name, t in known.items() if name.startswith(GRID_PARTS)}
        if config.grid_skip:
            known["merge.weight"] = _merging_anew(known["merge.weight"], config.grid_channels)
        _start_at_zero(large.up_grid if large.middle is None else large.middle.up)
    large.load_state_dict({**large.state_dict(), **known})
    for stage, had in ((large.encoder, network.encoder), (large.decoder, network.decoder)):
        for block in stage[len(had) :]:
            _start_at_zero(block.conv2)
    return large


def _check_grid(small: MiniConfig, config: MiniConfig) -> None:
    fewer = any(getattr(config, name) < getattr(small, name) for name in DEPTHS)
    if fewer or replace(small, **_values(config, COARSE_SIZES + DEPTHS)) != config:
        raise ModelError(
            f"a model of {small} cannot grow into {config}: resolution, grid_channels, truncation "
            "and prediction must stay, and there may not be fewer encoder_layers or decoder_layers"
        )


def _values(config: MiniConfig, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in names}


def _merging_anew(weight: Tensor, channels: int) -> Tensor:
    """(O, I, 1, 1, 1): its first channels, of what is coarser, random and as large as the grid's.

    What had learned to ignore them would hold up what begins behind them.
    """
    coarse, rest = weight[:, :channels], weight[:, channels:]
    size = weight[:, channels : 2 * channels].square().mean().sqrt()
    return torch.cat([size * torch.randn_like(coarse), rest], dim=1)


@torch.no_grad()
def _start_at_zero(convolution: nn.Conv3d) -> None:
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)
