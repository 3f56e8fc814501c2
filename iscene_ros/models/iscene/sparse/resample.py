"""Cells of twice and of half the side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Coarsening:
    """How M cells fall into K cells of twice the side.

    Attributes:
        coords: (K, 3) int64 coarse cells, sorted by item, x, y, z.
        lengths: coarse cells of each item.
        parents: (M,) int64 the coarse cell of each cell.
        children: (K, 8) int64 the cells in each coarse cell, M where there is none.
    """

    coords: Tensor
    lengths: tuple[int, ...]
    parents: Tensor
    children: Tensor

    def pool(self, features: Tensor) -> Tensor:
        """(M, C) -> (K, C): the sum over a coarse cell's cells, over their number plus one.

        The published model averages a zero along with the cells, and was trained so.
        """
        padded = F.pad(features, (0, 0, 0, 1))
        numbers = (self.children != len(features)).sum(1, keepdim=True)
        return padded[self.children].sum(1) / (numbers + 1).to(features.dtype)

    def unpool(self, features: Tensor) -> Tensor:
        """(K, C) -> (M, C): each cell gets its coarse cell's."""
        return features[self.parents]


def coarsen(
    coords: Tensor,  # [M, 3] int64
    items: Tensor,  # [M] int64
    num_items: int,
) -> Coarsening:
    """Group cells by their coordinates divided by two."""
    halved = torch.cat([items[:, None], coords.div(2, rounding_mode="floor")], dim=1)
    coarse, parents = halved.unique(dim=0, return_inverse=True)
    rows = torch.arange(len(coords), device=coords.device)
    children = torch.full((len(coarse), 8), len(coords), device=coords.device)
    weights = torch.tensor([4, 2, 1], device=coords.device)
    children[parents, (coords.remainder(2) * weights).sum(1)] = rows
    lengths = tuple(coarse[:, 0].bincount(minlength=num_items).tolist())
    return Coarsening(coarse[:, 1:].contiguous(), lengths, parents, children)


def subdivide_coords(
    coords: Tensor,  # [M, 3] int64
) -> Tensor:
    """(8 M, 3) int64: the eight halves of each cell, one after another, z fastest."""
    bits = torch.arange(2, device=coords.device)
    halves = torch.cartesian_prod(bits, bits, bits)
    return (2 * coords[:, None] + halves).flatten(0, 1)
