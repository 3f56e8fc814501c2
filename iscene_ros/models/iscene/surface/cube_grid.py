"""Cells and corners of a cubic grid as sorted integer keys, so that only those in use take memory.

A corner and the cell above it (towards +x, +y, +z) have the same position and the same key.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.models.iscene.surface.dual_cases import CORNERS


@dataclass(frozen=True)
class CubeGrid:
    """Keys of the positions of a grid.

    Attributes:
        resolution: cells along a side.
        margin: 1 where a surface may also pass through the cells next to the grid, else 0.
    """

    resolution: int
    margin: int = 0

    @property
    def _side(self) -> int:
        # The corners and one more on either side: a step off the grid is no other position's key.
        return self.resolution + 3

    def keys(self, positions: Tensor) -> Tensor:  # [..., 3] int64 -> [...]
        """Return keys, ordered by x, then y, then z."""
        x, y, z = (positions + 1).unbind(-1)
        return (x * self._side + y) * self._side + z

    def steps(self, offsets: Tensor) -> Tensor:  # [..., 3] int64 -> [...]
        """Return the difference of keys for an offset."""
        x, y, z = offsets.unbind(-1)
        return (x * self._side + y) * self._side + z

    def positions(self, keys: Tensor) -> Tensor:  # [...] -> [..., 3]
        """Return the positions of keys."""
        z, rest = keys % self._side, keys // self._side
        return torch.stack([rest // self._side, rest % self._side, z], -1) - 1

    def has_cell(self, keys: Tensor) -> Tensor:  # [...] -> [...] bool
        """Return whether keys are those of cells of the grid, or of its margin."""
        return self._has(keys, self.resolution - 1)

    def has_corner(self, keys: Tensor) -> Tensor:  # [...] -> [...] bool
        """Return whether keys are those of corners of the grid, or of its margin."""
        return self._has(keys, self.resolution)

    def corners_of(self, cells: Tensor) -> Tensor:  # [N] -> [N, 8]
        """Return keys of the cells' corners."""
        return cells[:, None] + self.corner_steps(cells.device)

    def axis_steps(self, device: torch.device) -> Tensor:  # [3]
        """Return the differences of keys along x, y and z."""
        return self.steps(torch.eye(3, dtype=torch.int64, device=device))

    def corner_steps(self, device: torch.device) -> Tensor:  # [8]
        """Return the differences of keys from a cell to its corners."""
        return self.steps(torch.tensor(CORNERS, device=device))

    def _has(self, keys: Tensor, last: int) -> Tensor:
        positions = self.positions(keys)
        return ((positions >= -self.margin) & (positions <= last + self.margin)).all(-1)


@dataclass(frozen=True)
class ActiveCells:
    """Cells with features.

    Attributes:
        grid: where they lie.
        keys: (M,) int64, ascending.
        order: (M,) int64 row of the features that a key belongs to.
    """

    grid: CubeGrid
    keys: Tensor
    order: Tensor

    @classmethod
    def of(cls, coords: Tensor, grid: CubeGrid) -> ActiveCells:  # [M, 3] int64
        """Sort and check cells.

        Raises:
            ValueError: no cell, a cell outside the grid, or one given twice.
        """
        if not len(coords):
            raise ValueError("no cells; there is nothing to extract")
        if not 0 <= int(coords.min()) <= int(coords.max()) < grid.resolution:
            raise ValueError(
                f"cells {int(coords.min())} to {int(coords.max())} lie outside the grid of "
                f"resolution {grid.resolution}; give the resolution of these coordinates"
            )
        keys, order = torch.sort(grid.keys(coords))
        if bool((keys[1:] == keys[:-1]).any()):
            raise ValueError("a cell is given twice; extract one batch item at a time")
        return cls(grid, keys, order)

    def rows(self, cells: Tensor) -> Tensor:  # [...] -> [...]
        """Return rows of the features of cells; -1 where a cell is not active."""
        index, found = find(self.keys, cells)
        return torch.where(found, self.order[index], -1)

    def mean_at(self, corners: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        """Return means over the active cells that meet at corners.

        Args:
            corners: (P,) keys.
            values: each (M, 8, C), values of the cells at their corners.

        Returns:
            (P,) int64 how many cells meet, and for each of the values (P, C) float32 means: zeros
            where none does.
        """
        count = torch.zeros_like(corners)
        totals = [torch.zeros(len(corners), v.shape[2], device=v.device) for v in values]
        steps = self.grid.corner_steps(corners.device)
        # In a fixed order, from the cell with the lowest key on: the same input, the same bytes.
        for corner in steps.argsort(descending=True).tolist():
            rows = self.rows(corners - steps[corner])
            count += rows >= 0
            for total, value in zip(totals, values, strict=True):
                total += _rows_or_zero(value[:, corner], rows)
        return count, *(total / count.clamp(min=1)[:, None] for total in totals)

    def values_of(self, cells: Tensor, values: Tensor) -> Tensor:  # [N], [M, C] -> [N, C]
        """Return float32 values of cells; zeros where a cell is not active."""
        return _rows_or_zero(values, self.rows(cells))


def find(keys: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return the index of `wanted` (...) in ascending `keys` (N,), and whether they are found."""
    if not len(keys):
        return torch.full_like(wanted, -1), torch.zeros_like(wanted, dtype=torch.bool)
    index = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return index, keys[index] == wanted


def _rows_or_zero(values: Tensor, rows: Tensor) -> Tensor:
    return torch.where((rows >= 0)[:, None], values[rows.clamp(min=0)].float(), 0.0)
