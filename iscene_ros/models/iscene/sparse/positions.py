"""Sinusoids of cell coordinates, as the release adds them to its tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_PERIOD = 10_000.0


def absolute_positions(
    coords: Tensor,  # [M, 3] int64
    channels: int,
) -> Tensor:
    """(M, channels) float32: sines, then cosines, of x, of y, of z; zeros fill the rest."""
    per_axis = channels // 3 // 2
    exponents = torch.arange(per_axis, device=coords.device, dtype=torch.float32) / per_axis
    angles = coords[..., None] * (1.0 / MAX_PERIOD**exponents)
    embedding = torch.cat([angles.sin(), angles.cos()], -1).flatten(1)
    return F.pad(embedding, (0, channels - embedding.shape[1]))
