"""Submanifold convolution: outputs where inputs are, by gathered neighbours."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.model.sparse.neighbours import half_steps

# Numbers gathered at once, unless a layer is told otherwise: 64 MiB in float32.
GATHER_SIZE = 2**24


class KernelWeights(nn.Module):
    """Weights (C_out, k, k, k, C_in), x first, and bias, as spconv 2 keeps them."""

    def __init__(self, in_channels: int, out_channels: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, side, side, side, in_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        bound = 1 / math.sqrt(in_channels * side**3)
        nn.init.uniform_(self.weight, -bound, bound)

    def matrix(self) -> Tensor:
        """(C_out, k^3 C_in)."""
        return self.weight.flatten(1)


class PointwiseConvolution(nn.Module):
    """A kernel of one cell, with its weights read as spconv 2 reads them.

    spconv keeps them as (C_out, 1, 1, 1, C_in) but multiplies by the same numbers laid out as
    (C_in, C_out): no transpose (spconv issue 450, all of 2.1 to 2.3.8). Published weights were
    trained so.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = KernelWeights(in_channels, out_channels, side=1)

    def forward(self, x: Tensor) -> Tensor:
        """(M, C_in) -> (M, C_out)."""
        return torch.addmm(self.conv.bias, x, self.conv.weight.view(x.shape[1], -1))


class SubmanifoldConvolution(nn.Module):
    """A kernel of 3^3 cells.

    Neighbours are gathered into rows of a matrix and multiplied by all weights at once, so sums
    over a neighbourhood run inside one product: in float32 on a GPU, also for half precision.

    Attributes:
        gather_size: numbers gathered at once; it bounds the memory beside input and output.
    """

    def __init__(self, in_channels: int, out_channels: int, gather_size: int = GATHER_SIZE) -> None:
        super().__init__()
        self.conv = KernelWeights(in_channels, out_channels, side=3)
        self.gather_size = gather_size

    def forward(
        self,
        x: Tensor,  # [M, C_in]
        neighbours: Tensor,  # [M, 27] int32
    ) -> Tensor:
        """(M, C_in) -> (M, C_out)."""
        return gathered_product(x, neighbours, self.conv.matrix(), self.conv.bias, self.gather_size)

    def forward_subdivided(
        self,
        x: Tensor,  # [M, C_in]
        neighbours: Tensor,  # [M, 27] int32
    ) -> Tensor:
        """Convolve on all eight halves of the cells, each of which has its cell's features.

        The 27 neighbours of a half lie in only 8 of the parents. Weights that meet the same
        features are added first: 8 / 27 of the products, and no copy of x for each half.

        Returns:
            (8 M, C_out); the halves of row i are rows 8 i to 8 i + 7.
        """
        out = x.new_empty(len(x), 8, len(self.conv.bias))
        parents, _ = half_steps(x.device)
        for half in range(8):
            used, summed = self._summed_weights(parents[half])
            out[:, half] = gathered_product(
                x, neighbours[:, used], summed, self.conv.bias, self.gather_size
            )
        return out.flatten(0, 1)

    def _summed_weights(self, parents: Tensor) -> tuple[Tensor, Tensor]:
        """Which 8 of 27 parents a half sees, and the weights for them: (C_out, 8 C_in)."""
        used, slots = parents.unique(return_inverse=True)
        weight = self.conv.weight.flatten(1, 3)  # [C_out, 27, C_in]
        summed = weight.new_zeros(len(weight), len(used), weight.shape[2], dtype=torch.float32)
        summed = summed.to(torch.promote_types(weight.dtype, torch.float32))
        summed.index_add_(1, slots, weight.to(summed.dtype))
        return used, summed.to(weight.dtype).flatten(1)


def gathered_product(
    x: Tensor,  # [M, C_in]
    rows: Tensor,  # [N, K] int32, M for zeros
    matrix: Tensor,  # [C_out, K C_in]
    bias: Tensor,  # [C_out]
    gather_size: int,
) -> Tensor:
    """(N, C_out): each row of gathered features times the matrix, a chunk of rows at a time."""
    padded = F.pad(x, (0, 0, 0, 1))
    out = x.new_empty(len(rows), len(matrix))
    at_once = max(1, gather_size // matrix.shape[1])
    for begin in range(0, len(rows), at_once):
        chunk = rows[begin : begin + at_once]
        gathered = padded.index_select(0, chunk.flatten()).view(len(chunk), -1)
        out[begin : begin + at_once] = F.linear(gathered, matrix, bias)
    return out
