"""Which numbers stay exact when the layers around them are in half precision."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def at_least_float32(x: Tensor) -> Tensor:
    """x in float32 if it is coarser; float64 stays."""
    return x if x.dtype == torch.float64 else x.float()


class Float32LayerNorm(nn.LayerNorm):
    """Layer norm whose parameters and arithmetic are float32 even on half-precision inputs."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the shape and dtype of x."""
        return super().forward(at_least_float32(x)).to(x.dtype)
