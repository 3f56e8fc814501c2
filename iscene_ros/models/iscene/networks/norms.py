"""Norms that compute at least in float32 when the layers around them are in half precision."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def at_least_float32(x: Tensor) -> Tensor:
    """Return x in float32, or as it is if it is float64."""
    return x if x.dtype == torch.float64 else x.float()


class Float32LayerNorm(nn.LayerNorm):
    """Layer norm in float32, also of half-precision inputs."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the shape and dtype of x."""
        return super().forward(at_least_float32(x)).to(x.dtype)


class ChannelLayerNorm(nn.LayerNorm):
    """Layer norm over the channels of each voxel."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x of shape (N, C, D, H, W)."""
        last = at_least_float32(x).movedim(1, -1)
        return super().forward(last).movedim(-1, 1).to(x.dtype)


class HeadRMSNorm(nn.Module):
    """RMS norm over the channels of each head, with a learned gain for each head and channel."""

    def __init__(self, num_heads: int, head_channels: int) -> None:
        super().__init__()
        self.scale = head_channels**0.5
        self.gamma = nn.Parameter(torch.ones(num_heads, head_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (..., heads, channels)."""
        unit = F.normalize(at_least_float32(x), dim=-1)
        return (unit * self.gamma * self.scale).to(x.dtype)


class SparseGroupNorm(nn.GroupNorm):
    """Group norm whose statistics run over all cells of an item."""

    def __init__(self, channels: int, num_groups: int = 32) -> None:
        super().__init__(num_groups, channels)

    def forward(self, x: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """Normalise x (M, C) of items with `lengths` cells; the dtype stays."""
        return torch.cat([self._normalize(item).to(x.dtype) for item in x.split(lengths)])

    def _normalize(self, x: Tensor) -> Tensor:
        """Normalise one item's (L, C)."""
        x = at_least_float32(x)
        groups = x.view(len(x), self.num_groups, -1)
        variance, mean = torch.var_mean(groups, dim=(0, 2), correction=0)
        channels = self.num_channels // self.num_groups
        scale = (variance + self.eps).rsqrt().repeat_interleave(channels) * self.weight
        shift = self.bias - mean.repeat_interleave(channels) * scale
        return torch.addcmul(shift, x, scale)
