"""Occupied cells for measuring: as many as an object has, where random weights would give any."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.core.errors import InputError

# Radii of the spheres whose surfaces are occupied, in parts of the grid's side.
RADII = (0.2, 0.4)


@dataclass(frozen=True)
class BenchmarkCells:
    """What a structure decoder could have found.

    Attributes:
        objects: cells x, y, z (M, 3) int64 of each instance, each with the same number.
        scene: (M', 3) int64 of the scene slot: as many as all instances together, which fill it.
    """

    objects: tuple[Tensor, ...]
    scene: Tensor


def benchmark_cells(objects: int, cells: int, resolution: int) -> BenchmarkCells:
    """Shells around spheres of several sizes and places.

    Raises:
        InputError: more cells than the grid has.
    """
    if objects * cells > resolution**3:
        raise InputError(
            f"{objects} objects of {cells} cells do not fit into a grid of {resolution}^3"
        )
    axis = torch.arange(resolution)
    grid = torch.cartesian_prod(axis, axis, axis)
    distances = []
    for number in range(objects):
        share = number / max(1, objects - 1)
        radius = resolution * (RADII[0] + (RADII[1] - RADII[0]) * share)
        center = torch.tensor([0.5, 0.5, 0.5]) * resolution
        center[number % 3] += (-1) ** number * 0.1 * resolution
        distances.append(((grid + 0.5 - center).norm(dim=1) - radius).abs())
    nearest = torch.stack(distances).amin(0)
    shells = tuple(grid[_smallest(distance, cells)] for distance in distances)
    return BenchmarkCells(shells, grid[_smallest(nearest, objects * cells)])


def _smallest(values: Tensor, count: int) -> Tensor:
    """Places of the smallest values, in order of place."""
    return values.argsort(stable=True)[:count].sort().values
