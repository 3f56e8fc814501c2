"""The edges and cells of the grid that a surface passes through, found from the inside corners."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.models.iscene.surface.cube_grid import CubeGrid, find
from iscene_ros.models.iscene.surface.dual_cases import CASES, CORNERS, EDGES, dual_cases

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
            crosses = grid.has_corner(other) & ~find(inside, other)[1]
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
    on_grid = grid.has_cell(touching)
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
