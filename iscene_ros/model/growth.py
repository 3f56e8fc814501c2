"""A larger iscene-mini that begins as a smaller one: what it adds starts with no effect."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from iscene_ros.errors import ModelError
from iscene_ros.model.config import MiniConfig
from iscene_ros.model.volume_flow import VolumeSceneFlow


def grown(network: VolumeSceneFlow, config: MiniConfig) -> VolumeSceneFlow:
    """A network of other sizes that computes what this one does, from which training can go on.

    It may have more residual blocks at the ends of encoder and decoder, and a middle level where
    there was none; each new branch ends in zeros (Net2Net, arXiv 1511.05641, keeps the function,
    too). Of equal sizes, a copy.

    Raises:
        ModelError: anything else differs, or it would have to shrink.
    """
    small = network.config
    same = replace(
        small,
        encoder_layers=max(small.encoder_layers, config.encoder_layers),
        decoder_layers=max(small.decoder_layers, config.decoder_layers),
        middle_channels=small.middle_channels or config.middle_channels,
        middle_layers=small.middle_layers if small.middle_channels else config.middle_layers,
    )
    if same != config:
        raise ModelError(
            f"a model of {small} cannot grow into {config}: it may get a middle level and more "
            "encoder_layers or decoder_layers, and must keep all else"
        )
    large = VolumeSceneFlow(config)
    large.load_state_dict({**large.state_dict(), **network.state_dict()})
    for blocks, had in ((large.encoder, network.encoder), (large.decoder, network.decoder)):
        for block in blocks[len(had) :]:
            _start_at_zero(block.conv2)
    if large.middle is not None and network.middle is None:
        _start_at_zero(large.middle.to_tokens)
        _start_at_zero(large.middle.up)
    return large


@torch.no_grad()
def _start_at_zero(convolution: nn.Conv3d) -> None:
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)
