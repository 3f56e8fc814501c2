"""Sinusoidal embeddings of time and position."""

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


class ScenePositionEmbedder(nn.Module):
    """Embedding of a token's position in the scene and of the zoom of its slot."""

    FREQUENCIES = 6

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.projection = nn.Linear(4 * (1 + 2 * self.FREQUENCIES), channels)

    def forward(self, positions: Tensor) -> Tensor:
        """Embed scene coordinates (about -0.5..0.5) and log zoom (S, L, 4) as (S, L, C)."""
        octaves = 2.0 ** torch.arange(self.FREQUENCIES, device=positions.device)
        angles = (positions[..., None] * octaves * math.pi).flatten(-2)
        features = torch.cat([positions, angles.sin(), angles.cos()], dim=-1)
        return self.projection(features.to(self.projection.weight.dtype))


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
