"""What the network of iscene-mini is made of: residual blocks, cells as channels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3^3 convolutions around a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the shape of x."""
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


def residual_blocks(channels: int, count: int) -> nn.Sequential:
    """So many blocks in a row."""
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


def depth_to_space(x: Tensor) -> Tensor:
    """(S, 8 C, D, D, D) -> (S, C, 2D, 2D, 2D): channels become the voxels of 2^3 cells."""
    x = x.unflatten(1, (-1, 2, 2, 2))
    return x.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def space_to_depth(x: Tensor) -> Tensor:
    """The inverse of `depth_to_space`."""
    side = x.shape[-1] // 2
    x = x.unflatten(4, (side, 2)).unflatten(3, (side, 2)).unflatten(2, (side, 2))
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)
