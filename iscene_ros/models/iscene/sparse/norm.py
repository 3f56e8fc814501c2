"""Group norm over the cells of each item."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iscene_ros.models.iscene.networks.precision import at_least_float32


class SparseGroupNorm(nn.GroupNorm):
    """Group norm whose statistics run over all cells of an item, in float32 at least."""

    def __init__(self, channels: int, num_groups: int = 32) -> None:
        super().__init__(num_groups, channels)

    def forward(self, x: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """Normalise (M, C) cells of items of `lengths`; the type of x comes back."""
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
