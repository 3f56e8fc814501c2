"""Occupied cells of a batch, and the same as dense grids."""

from __future__ import annotations

import torch
from torch import Tensor

from iscene_ros.models.iscene.sparse.tensor import CellGeometry


def random_cells(lengths: tuple[int, ...], side: int, seed: int = 0) -> CellGeometry:
    """So many different cells an item, in no order."""
    generator = torch.Generator().manual_seed(seed)
    picked = [torch.randperm(side**3, generator=generator)[:length] for length in lengths]
    codes = torch.cat(picked)
    coords = torch.stack([codes // side**2, codes // side % side, codes % side], dim=1)
    return CellGeometry(coords, lengths)


def randomize(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Float64, every parameter random: norms' gains about one, the rest about zero."""
    generator = torch.Generator().manual_seed(seed)
    module.double().eval().requires_grad_(False)
    for name, parameter in module.named_parameters():
        spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3
        values = spread * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        gain = "gamma" in name or ("norm" in name and name.endswith("weight"))
        parameter.copy_(values + 1 if gain else values)
    return module


def dense(coords: Tensor, features: Tensor, side: int) -> Tensor:
    """(L, 3) cells and (L, C) features -> (C, side, side, side), zeros elsewhere."""
    grid = features.new_zeros(features.shape[1], side, side, side)
    grid[:, coords[:, 0], coords[:, 1], coords[:, 2]] = features.T
    return grid


def at_cells(grid: Tensor, coords: Tensor) -> Tensor:
    """(C, X, Y, Z) -> (L, C)."""
    return grid[:, coords[:, 0], coords[:, 1], coords[:, 2]].T


def dense_convolution(grid: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve (C, X, Y, Z) with spconv's weights (C_out, 3, 3, 3, C); zeros outside the mask."""
    kernel = weight.permute(0, 4, 1, 2, 3)
    return torch.nn.functional.conv3d(grid[None], kernel, bias, padding=1)[0] * mask


def repeat(grid: Tensor) -> Tensor:
    """(C, X, Y, Z) -> (C, 2 X, 2 Y, 2 Z), each cell's halves its own."""
    for axis in (1, 2, 3):
        grid = grid.repeat_interleave(2, dim=axis)
    return grid


def attention(q: Tensor, k: Tensor, v: Tensor, num_heads: int) -> Tensor:
    """(L, C) queries, (T, C) keys and values: softmax(Q K^T / sqrt(d)) V, head by head."""
    heads = zip(*(t.chunk(num_heads, dim=1) for t in (q, k, v)), strict=True)
    return torch.cat([(a @ b.T / a.shape[1] ** 0.5).softmax(1) @ c for a, b, c in heads], dim=1)


def norm(x: Tensor) -> Tensor:
    """Each row (L, C) to mean 0 and variance 1."""
    return (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-6).sqrt()


class DenseNetwork:
    """A network on grids (C, X, Y, Z) that are zero where a mask (X, Y, Z) is, by named weights."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.weights, self.config = network.state_dict(), network.config

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def convolve(self, name: str, grid: Tensor, mask: Tensor) -> Tensor:
        weight, bias = self.weights[f"{name}.conv.weight"], self.weights[f"{name}.conv.bias"]
        return dense_convolution(grid, mask, weight, bias)
