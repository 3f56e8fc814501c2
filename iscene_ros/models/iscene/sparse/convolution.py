"""Submanifold sparse convolution (arXiv 1711.10275): the outputs are on the cells of the inputs."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.iscene.networks.layers import at_least_float32
from iscene_ros.models.iscene.sparse.neighbours import (
    STAY,
    STEPS,
    KernelPairs,
    StepPairs,
    half_steps,
)

# Numbers gathered at once, which bounds the memory beside input and output: 64 MiB in float32.
GATHER_SIZE = 2**24


class KernelWeights(nn.Module):
    """Weights (C_out, k, k, k, C_in), x first, and bias, in the layout of spconv 2."""

    def __init__(self, in_channels: int, out_channels: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, side, side, side, in_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        bound = 1 / math.sqrt(in_channels * side**3)
        nn.init.uniform_(self.weight, -bound, bound)


class PointwiseConvolution(nn.Module):
    """A kernel of one cell, whose weights are read as spconv 2 reads them.

    spconv stores them as (C_out, 1, 1, 1, C_in) but multiplies by the same memory as (C_in, C_out),
    without a transpose (spconv issue 450, versions 2.1 to 2.3.8); published weights need that.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = KernelWeights(in_channels, out_channels, side=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (M, C_in) to (M, C_out)."""
        return torch.addmm(self.conv.bias, x, self.conv.weight.view(x.shape[1], -1))


class SubmanifoldConvolution(nn.Module):
    """A kernel of 3^3 cells.

    For each step of the kernel, the cells that have a neighbour there gather it, multiply it and
    add it to their sum: on a surface only about 10 of 27 do. Sums are at least float32.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = KernelWeights(in_channels, out_channels, side=3)

    def forward(self, x: Tensor, pairs: KernelPairs) -> Tensor:
        """Convolve x (M, C_in) to (M, C_out)."""
        weight = self.conv.weight.flatten(1, 3)  # [C_out, 27, C_in]
        out = at_least_float32(F.linear(x, weight[:, STAY], self.conv.bias))
        for step, step_pairs in pairs.around():
            self._add(out[:, None], [0], x, step_pairs, weight[:, step])
        return out.to(x.dtype)

    def forward_unpooled(
        self,
        x: Tensor,  # [K, C_in]
        parents: Tensor,  # [M] int64 rows of x
        pairs: KernelPairs,  # of the M cells
    ) -> Tensor:
        """Convolve on M cells, each of which has the features of its parent: (M, C_out).

        The K parents are multiplied, not their cells' copies.
        """
        weight = self.conv.weight.flatten(1, 3)  # [C_out, 27, C_in]
        out = at_least_float32(F.linear(x, weight[:, STAY], self.conv.bias)[parents])
        for step, step_pairs in pairs.around():
            products = F.linear(x, weight[:, step])
            out.index_add_(
                0, step_pairs.cells, products[parents[step_pairs.neighbours]].to(out.dtype)
            )
        return out.to(x.dtype)

    def forward_subdivided(self, x: Tensor, pairs: KernelPairs) -> Tensor:
        """Convolve on all eight subcells of the cells, each of which has its cell's features.

        The 27 neighbours of a subcell lie in only 8 cells. Weights that meet the same features are
        added first: 8 / 27 of the products, and no copy of x for each subcell.

        Args:
            x: (M, C_in).
            pairs: neighbours of the M cells.

        Returns:
            (8 M, C_out); the subcells of row i are rows 8 i to 8 i + 7.
        """
        weight = self.conv.weight.flatten(1, 3)  # [C_out, 27, C_in]
        out = at_least_float32(self.conv.bias).repeat(len(x), 8, 1)  # [M, 8, C_out]
        cells, _ = half_steps()
        for step in range(STEPS):
            halves = (cells == step).any(1).nonzero()[:, 0].tolist()
            sums = []
            for half in halves:
                steps = (cells[half] == step).nonzero()[:, 0].to(weight.device)
                sums.append(at_least_float32(weight[:, steps]).sum(1).to(weight.dtype))
            self._add(out, halves, x, pairs.at(step), torch.cat(sums))
        return out.flatten(0, 1).to(x.dtype)

    def _add(
        self,
        out: Tensor,  # [M, H, C_out], added to
        halves: list[int],  # those of the H columns that are added to
        x: Tensor,  # [M, C_in]
        pairs: StepPairs,
        matrix: Tensor,  # [len(halves) C_out, C_in]
    ) -> None:
        """Add products with neighbours, as many pairs at a time as `GATHER_SIZE` allows."""
        at_once = max(1, GATHER_SIZE // x.shape[1])
        for cells, neighbours in zip(
            pairs.cells.split(at_once), pairs.neighbours.split(at_once), strict=True
        ):
            products = F.linear(x.index_select(0, neighbours), matrix).to(out.dtype)
            for half, part in zip(halves, products.chunk(len(halves), dim=1), strict=True):
                out[:, half].index_add_(0, cells, part)
