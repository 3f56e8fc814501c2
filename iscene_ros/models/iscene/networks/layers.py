"""Layers that several networks share: embeddings, norms and the feed-forward layer."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# The time embedding of TRELLIS: 256 sinusoids up to this period, of times scaled to 0..1000.
TIME_FREQUENCIES = 256
MAX_PERIOD = 10_000.0
TIME_SCALE = 1000.0


class TimestepEmbedder(nn.Module):
    """Embedding of the time: sinusoids, then two linear layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(TIME_FREQUENCIES, channels), nn.SiLU(), nn.Linear(channels, channels)
        )

    def forward(self, scaled_time: Tensor) -> Tensor:
        """Embed times (S,) in 0..1000 as (S, C)."""
        half = TIME_FREQUENCIES // 2
        exponents = torch.arange(half, device=scaled_time.device, dtype=torch.float32) / half
        angles = scaled_time.float()[:, None] * torch.exp(-math.log(MAX_PERIOD) * exponents)
        sinusoids = torch.cat([angles.cos(), angles.sin()], dim=-1)
        return self.mlp(sinusoids.to(self.mlp[0].weight.dtype))


def absolute_positions(
    coords: Tensor,  # [M, 3] int64
    channels: int,
) -> Tensor:
    """Return (M, channels) float32: sines and cosines of x, of y, of z; zeros fill the rest."""
    per_axis = channels // 3 // 2
    exponents = torch.arange(per_axis, device=coords.device, dtype=torch.float32) / per_axis
    angles = coords[..., None] * (1.0 / MAX_PERIOD**exponents)
    embedding = torch.cat([angles.sin(), angles.cos()], -1).flatten(1)
    return F.pad(embedding, (0, channels - embedding.shape[1]))


def grid_positions(side: int, channels: int) -> Tensor:
    """Return (side^3, channels) absolute positions of a grid of cells, z fastest."""
    if torch.empty(0).is_meta:
        # Only the shape counts there, and arithmetic would load torch's compiler: a second.
        return torch.empty(side**3, channels)
    axis = torch.arange(side)
    return absolute_positions(torch.cartesian_prod(axis, axis, axis), channels)


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
        normed = []
        for item in x.split(lengths):
            item = at_least_float32(item)
            groups = item.view(len(item), self.num_groups, -1)
            variance, mean = torch.var_mean(groups, dim=(0, 2), correction=0)
            channels = self.num_channels // self.num_groups
            scale = (variance + self.eps).rsqrt().repeat_interleave(channels) * self.weight
            shift = self.bias - mean.repeat_interleave(channels) * scale
            normed.append(torch.addcmul(shift, item, scale).to(x.dtype))
        return torch.cat(normed)


class FeedForward(nn.Module):
    """Two linear layers with a tanh GELU between them."""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x token by token; the shape stays."""
        return self.mlp(x)
