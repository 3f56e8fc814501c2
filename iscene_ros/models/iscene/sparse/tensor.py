"""Features on the occupied cells of a batch, the cells, and how they fall into coarser ones.

There is no sparse library here: spconv, torchsparse and MinkowskiEngine have no wheels for aarch64
(Jetson).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from iscene_ros.models.iscene.networks.layers import absolute_positions
from iscene_ros.models.iscene.sparse.attention import Sequences, item_sequences, window_sequences
from iscene_ros.models.iscene.sparse.neighbours import KernelPairs, find_pairs, subdivide_pairs


@dataclass(frozen=True)
class SparseTensor:
    """Features on occupied cells; tensors on the same cells share one geometry.

    Attributes:
        geometry: the M cells and the tables that follow from them.
        features: (M, C).
    """

    geometry: CellGeometry
    features: Tensor

    @property
    def coords(self) -> Tensor:
        """(M, 3) int64 cells x, y, z."""
        return self.geometry.coords

    @property
    def lengths(self) -> tuple[int, ...]:
        """Number of cells of each item."""
        return self.geometry.lengths

    def items(self) -> list[SparseTensor]:
        """Return each item as a tensor of its own."""
        parts = zip(self.coords.split(self.lengths), self.features.split(self.lengths), strict=True)
        return [
            SparseTensor(CellGeometry(coords, (len(coords),)), features)
            for coords, features in parts
        ]


class CellGeometry:
    """The occupied cells of each item of a batch.

    Tables that layers need are computed at first use and kept, so all layers and all steps of a
    sampler that share a geometry share them too.

    Attributes:
        coords: (M, 3) int64 cells x, y, z, item after item.
        lengths: number of cells of each item, at least one.
    """

    def __init__(self, coords: Tensor, lengths: tuple[int, ...]) -> None:
        self.coords, self.lengths = coords, lengths
        self._windows: dict[tuple[int, int], Sequences] = {}
        self._positions: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.coords)

    @cached_property
    def items(self) -> Tensor:
        """(M,) int64 item that each cell belongs to."""
        lengths = torch.tensor(self.lengths, device=self.coords.device)
        numbers = torch.arange(len(self.lengths), device=self.coords.device)
        return numbers.repeat_interleave(lengths, output_size=len(self))

    @cached_property
    def pairs(self) -> KernelPairs:
        """Neighbours of each cell."""
        return find_pairs(self.coords, self.items)

    @cached_property
    def coarsening(self) -> Coarsening:
        """Assignment of the cells to cells of twice the side."""
        coords, device = self.coords, self.coords.device
        halved = torch.cat([self.items[:, None], coords.div(2, rounding_mode="floor")], dim=1)
        coarse, parents = halved.unique(dim=0, return_inverse=True)
        rows = torch.arange(len(coords), device=device)
        children = torch.full((len(coarse), 8), len(coords), device=device)
        weights = torch.tensor([4, 2, 1], device=device)
        children[parents, (coords.remainder(2) * weights).sum(1)] = rows
        lengths = tuple(coarse[:, 0].bincount(minlength=len(self.lengths)).tolist())
        return Coarsening(coarse[:, 1:].contiguous(), lengths, parents, children)

    @cached_property
    def coarse(self) -> CellGeometry:
        """Occupied cells of twice the side."""
        return CellGeometry(self.coarsening.coords, self.coarsening.lengths)

    @cached_property
    def subdivided(self) -> CellGeometry:
        """All eight subcells of each cell; those of row i are rows 8 i to 8 i + 7."""
        return SubdividedGeometry(self)

    @cached_property
    def item_sequences(self) -> Sequences:
        """One sequence an item, for full attention."""
        return item_sequences(self.lengths, self.coords.device)

    def windows(self, size: int, shift: int) -> Sequences:
        """Return one sequence for each cube of `size` cells of an item, shifted back by `shift`."""
        if (size, shift) not in self._windows:
            self._windows[size, shift] = window_sequences(self.coords, self.items, size, shift)
        return self._windows[size, shift]

    def positions(self, channels: int) -> Tensor:
        """Return (M, channels) float32 sinusoids of the cells' coordinates."""
        if channels not in self._positions:
            self._positions[channels] = absolute_positions(self.coords, channels)
        return self._positions[channels]

    def spread(self, values: Tensor) -> Tensor:
        """Expand values of items (S, C) to their cells (M, C); (1, C) for all items stays."""
        return values if len(values) == 1 else values[self.items]


class SubdividedGeometry(CellGeometry):
    """The subcells of a geometry, whose neighbours follow from those of the geometry."""

    def __init__(self, parent: CellGeometry) -> None:
        bits = torch.arange(2, device=parent.coords.device)
        # Eight for each cell in turn, z fastest.
        coords = 2 * parent.coords[:, None] + torch.cartesian_prod(bits, bits, bits)
        super().__init__(coords.flatten(0, 1), tuple(8 * length for length in parent.lengths))
        self.parent = parent

    @cached_property
    def pairs(self) -> KernelPairs:
        """Neighbours of each cell."""
        return subdivide_pairs(self.parent.pairs)


@dataclass(frozen=True)
class Coarsening:
    """Assignment of M cells to K cells of twice the side.

    Attributes:
        coords: (K, 3) int64 coarse cells, sorted by item, x, y, z.
        lengths: number of coarse cells of each item.
        parents: (M,) int64 coarse cell of each cell.
        children: (K, 8) int64 cells of each coarse cell, M where there is none.
    """

    coords: Tensor
    lengths: tuple[int, ...]
    parents: Tensor
    children: Tensor

    def pool(self, features: Tensor) -> Tensor:
        """Average (M, C) to (K, C): the sum over a coarse cell's cells, over their number plus one.

        TRELLIS counts the zero that its sum starts from, and was trained so.
        """
        padded = F.pad(features, (0, 0, 0, 1))
        numbers = (self.children != len(features)).sum(1, keepdim=True)
        return padded[self.children].sum(1) / (numbers + 1).to(features.dtype)

    def unpool(self, features: Tensor) -> Tensor:
        """Copy (K, C) to (M, C): each cell gets the features of its coarse cell."""
        return features[self.parents]
