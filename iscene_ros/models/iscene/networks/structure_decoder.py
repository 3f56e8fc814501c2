"""TRELLIS's structure decoder: from a latent to occupancy logits on a 4 times finer grid."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.iscene.config import StructureDecoderConfig
from iscene_ros.models.iscene.networks.layers import ChannelLayerNorm
from iscene_ros.models.mini.grid_blocks import depth_to_space


class StructureDecoder(nn.Module):
    """Residual blocks of 3^3 convolutions; the grid doubles between levels of channels.

    Its state dict has the names and shapes of ss_dec_conv3d_16l8 of TRELLIS-image-large.
    """

    def __init__(self, config: StructureDecoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        self.input_layer = _convolution(config.latent_channels, widths[0])
        self.middle_block = nn.Sequential(
            *_residual_blocks(widths[0], config.num_res_blocks_middle)
        )
        self.blocks = nn.ModuleList(_residual_blocks(widths[0], config.num_res_blocks))
        for coarse, fine in zip(widths, widths[1:], strict=False):
            self.blocks.append(Upsampling(coarse, fine))
            self.blocks.extend(_residual_blocks(fine, config.num_res_blocks))
        self.out_layer = nn.Sequential(
            ChannelLayerNorm(widths[-1]), nn.SiLU(), _convolution(widths[-1], config.out_channels)
        )

    def torso(self) -> list[nn.Module]:
        """Return the modules whose convolutions the release keeps in half precision."""
        return [self.middle_block, self.blocks]

    def forward(
        self,
        latents: Tensor,  # [N, C_latent, T, T, T]
    ) -> Tensor:
        """Return logits (N, C_out, 4T, 4T, 4T), a cell is occupied where they are positive.

        Computed in the dtype of each layer; the result has that of the outer layers.
        """
        outer = self.input_layer.weight.dtype
        torso = self.blocks[0].conv1.weight.dtype
        x = self.input_layer(latents.to(outer)).to(torso)
        x = self.middle_block(x)
        for block in self.blocks:
            x = block(x)
        return self.out_layer(x.to(outer))


class ChannelResidualBlock(nn.Module):
    """Two 3^3 convolutions, each after a norm over channels, around a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = ChannelLayerNorm(channels)
        self.norm2 = ChannelLayerNorm(channels)
        self.conv1 = _convolution(channels, channels)
        self.conv2 = _convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the shape and dtype of x."""
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class Upsampling(nn.Module):
    """Pixel shuffle in 3D, from (N, C_in, D, D, D) to (N, C_out, 2D, 2D, 2D)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = _convolution(in_channels, 8 * out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the finer grid."""
        return depth_to_space(self.conv(x))


def _convolution(in_channels: int, out_channels: int) -> nn.Conv3d:
    return nn.Conv3d(in_channels, out_channels, 3, padding=1)


def _residual_blocks(channels: int, count: int) -> Iterator[ChannelResidualBlock]:
    return (ChannelResidualBlock(channels) for _ in range(count))
