"""Cells and corners of a cubic grid as sorted integer keys, so that only those in use take memory.

A corner and the cell above it (towards +x, +y, +z) have the same position and the same key.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.models.iscene.surface.dual_cases import CASES, CORNERS, EDGES, dual_cases


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
        return self.steps(positions + 1)

    def steps(self, offsets: Tensor) -> Tensor:  # [..., 3] int64 -> [...]
        """Return the difference of keys for an offset."""
        x, y, z = offsets.unbind(-1)
        return (x * self._side + y) * self._side + z

    def positions(self, keys: Tensor) -> Tensor:  # [...] -> [..., 3]
        """Return the positions of keys."""
        z, rest = keys % self._side, keys // self._side
        return torch.stack([rest // self._side, rest % self._side, z], -1) - 1

    def has(self, keys: Tensor, last: int) -> Tensor:  # [...] -> [...] bool
        """Return whether keys are those of positions from 0 to `last`, or of the margin."""
        positions = self.positions(keys)
        return ((positions >= -self.margin) & (positions <= last + self.margin)).all(-1)

    def corners_of(self, cells: Tensor) -> Tensor:  # [N] -> [N, 8]
        """Return keys of the cells' corners."""
        return cells[:, None] + self.corner_steps(cells.device)

    def axis_steps(self, device: torch.device) -> Tensor:  # [3]
        """Return the differences of keys along x, y and z."""
        return self.steps(torch.eye(3, dtype=torch.int64, device=device))

    def corner_steps(self, device: torch.device) -> Tensor:  # [8]
        """Return the differences of keys from a cell to its corners."""
        return self.steps(torch.tensor(CORNERS, device=device))


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
        """Sort cells of the grid, each given once."""
        return cls(grid, *torch.sort(grid.keys(coords)))

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


# The four cells around an edge of each axis, in the order of their keys.
CELLS_AROUND = (
    ((0, -1, -1), (0, -1, 0), (0, 0, -1), (0, 0, 0)),
    ((-1, 0, -1), (-1, 0, 0), (0, 0, -1), (0, 0, 0)),
    ((-1, -1, 0), (-1, 0, 0), (0, -1, 0), (0, 0, 0)),
)


@dataclass(frozen=True)
class SurfaceEdges:
    """Edges of the grid with one end inside.

    Attributes:
        start: (E,) keys of the lower ends.
        axis: (E,) int64 0, 1, 2 for x, y, z.
        starts_inside: (E,) bool.
    """

    start: Tensor
    axis: Tensor
    starts_inside: Tensor


@dataclass(frozen=True)
class SurfaceCells:
    """Cells of the grid that surface edges belong to.

    Attributes:
        keys: (S,) ascending.
        cases: (S,) int64 their numbers in `dual_cases`.
        edges: (S, 12) int64 rows of the surface edges; -1 where an edge is none.
        around: (E, 4) int64 the cells around each edge; -1 outside the grid.
        numbers: (E, 4) int64 number of the edge among the 12 of each of these cells.
        first_vertex: (S,) int64 number of the first dual vertex of a cell.
    """

    keys: Tensor
    cases: Tensor
    edges: Tensor
    around: Tensor
    numbers: Tensor
    first_vertex: Tensor


def surface_edges(grid: CubeGrid, inside: Tensor) -> SurfaceEdges:
    """Return the surface edges of `inside` (P,), ascending keys of the inside corners."""
    starts, axes, senses = [], [], []
    for axis, step in enumerate(grid.axis_steps(torch.device("cpu")).tolist()):
        for starts_inside in (True, False):
            other = inside + step if starts_inside else inside - step
            crosses = grid.has(other, grid.resolution) & ~find(inside, other)[1]
            start = (inside if starts_inside else other)[crosses]
            starts.append(start)
            axes.append(torch.full_like(start, axis))
            senses.append(torch.full_like(start, starts_inside, dtype=torch.bool))
    return SurfaceEdges(torch.cat(starts), torch.cat(axes), torch.cat(senses))


def surface_cells(grid: CubeGrid, inside: Tensor, edges: SurfaceEdges) -> SurfaceCells:
    """Return the cells around surface edges, whether they are active or not."""
    device = inside.device
    offsets = torch.tensor(CELLS_AROUND, device=device)
    touching = edges.start[:, None] + grid.steps(offsets)[edges.axis]
    on_grid = grid.has(touching, grid.resolution - 1)
    keys = torch.unique(touching[on_grid])
    around = torch.where(on_grid, find(keys, touching)[0], -1)
    numbers = torch.tensor(_edge_numbers(), device=device)[edges.axis]
    rows = torch.arange(len(edges.start), device=device)[:, None].expand(-1, 4)
    edges_of_cell = torch.full((len(keys), len(EDGES)), -1, device=device)
    edges_of_cell[around[on_grid], numbers[on_grid]] = rows[on_grid]
    cases = _cases(grid, keys, inside)
    count = dual_cases(device).ring_count[cases]
    return SurfaceCells(keys, cases, edges_of_cell, around, numbers, count.cumsum(0) - count)


def _edge_numbers() -> list[list[int]]:
    """Return the number of the edge in each cell of `CELLS_AROUND`, for each axis."""
    number_of = {edge: number for number, edge in enumerate(EDGES)}
    corner_at = {offset: corner for corner, offset in enumerate(CORNERS)}
    numbers = []
    for axis, offsets in enumerate(CELLS_AROUND):
        lows = [corner_at[tuple(-o for o in offset)] for offset in offsets]
        numbers.append([number_of[low, low + 2**axis] for low in lows])
    return numbers


def _cases(grid: CubeGrid, cells: Tensor, inside: Tensor) -> Tensor:
    """Return cases (S,) of cells; the complementary ones of neighbours that pinch each other."""
    bits = 2 ** torch.arange(len(CORNERS), device=cells.device)
    cases = (find(inside, grid.corners_of(cells))[1] * bits).sum(1)
    towards = dual_cases(cells.device).pinched_towards[cases]
    pinched = towards.any(1)
    index, is_cell = find(cells, cells + grid.steps(towards))
    # A pinched case has no other ambiguous face: the neighbour is pinched at the shared one too.
    both = pinched & is_cell & pinched[index]
    return torch.where(both, CASES - 1 - cases, cases)
