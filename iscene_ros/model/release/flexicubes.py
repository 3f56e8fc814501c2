"""The mesh in the features of a mesh decoder: FlexiCubes (arXiv 2308.05371) on active cells only.

The published code lays the features into a dense grid, in which a corner that no active cell
touches is outside and a cell that is not active has weights of zero. Here such corners and cells
only come into being next to the surface; the mesh is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.model.release.cube_grid import ActiveCells, CubeGrid, find
from iscene_ros.model.release.dual_cases import CASES, CORNERS, EDGES, MAX_RING_EDGES, dual_cases

# Channels of a cell's features; colours and normals are absent in some decoders.
DISTANCE = slice(0, 8)
DEFORMATION = slice(8, 32)
EDGE_WEIGHTS = slice(32, 44)
CORNER_WEIGHTS = slice(44, 52)
SPLIT_WEIGHT = 52
COLOR = slice(53, 101)

# Weights stay this far from their limits, of which 0 would divide by nothing.
WEIGHT_SCALE = 0.99
# A corner moves by less than half a cell, so that no two change places.
MAX_DEFORMATION = (1 - 1e-8) / 2

# The four cells around an edge of each axis, in the order of their keys, and the number that the
# edge has in each of them.
CELLS_AROUND = (
    ((0, -1, -1), (0, -1, 0), (0, 0, -1), (0, 0, 0)),
    ((-1, 0, -1), (-1, 0, 0), (0, 0, -1), (0, 0, 0)),
    ((-1, -1, 0), (-1, 0, 0), (0, -1, 0), (0, 0, 0)),
)
# Ways round these four cells. The first turns by the right hand about -x, +y and -z.
ROUND, ROUND_BACK = (0, 1, 3, 2), (2, 3, 1, 0)
AXIS_OF_OTHER_SENSE = 1


@dataclass(frozen=True)
class ExtractedMesh:
    """A mesh in the cube of the coordinates.

    Attributes:
        vertices: (V, 3) float32 in [-0.5, 0.5]^3, or less than a cell outside.
        faces: (F, 3) int64, counter-clockwise from outside.
        colors: (V, 3) float32 RGB in 0..1, or None.
    """

    vertices: Tensor
    faces: Tensor
    colors: Tensor | None


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
class EdgeEnds:
    """What the corners say at the lower and the upper end of E edges.

    Attributes:
        distance: (E, 2, 1).
        values: (E, 2, C) positions, and colours where there are any.
    """

    distance: Tensor
    values: Tensor


@dataclass(frozen=True)
class SurfaceCells:
    """Cells that the surface passes through.

    Attributes:
        keys: (S,) ascending.
        cases: (S,) int64 their numbers in `dual_cases`.
        edges: (S, 12) int64 rows of the surface edges; -1 where an edge is none.
        weights: (S, 21) float32 as the decoder gave them.
        around: (E, 4) int64 the cells around each edge; -1 outside the grid.
        numbers: (E, 4) int64 which of its 12 edges this one is for each of these cells.
    """

    keys: Tensor
    cases: Tensor
    edges: Tensor
    weights: Tensor
    around: Tensor
    numbers: Tensor


@torch.no_grad()
def extract_mesh(
    coords: Tensor,  # [M, 3] int64
    features: Tensor,  # [M, 101] or [M, 53]
    resolution: int = 256,
) -> ExtractedMesh:
    """The surface between corners of negative distance and the others.

    It is closed but where it reaches the faces of the grid. The same input gives the same bytes,
    whatever the order of the cells.

    Args:
        coords: cells x, y, z, each once; cell i spans i / resolution - 0.5 to one cell further.
        features: 8 corners' distance, 8 x 3 deformation, 21 weights (12 of edges, 8 of corners,
            1 of the split) and 8 x 6 colour and normal, computed with in float32.
        resolution: cells of the grid along a side.

    Raises:
        ValueError: shapes, cells outside the grid or given twice, features that are not finite.
    """
    _check(coords, features)
    active = ActiveCells.of(coords.long(), CubeGrid(resolution))
    inside = _inside_corners(active, features)
    edges = _surface_edges(active.grid, inside)
    cells = _surface_cells(active, features, inside, edges)
    ends = _edge_ends(active, features, edges)
    values = _dual_values(cells, ends)
    colors = values[:, 3:] if values.shape[1] > 3 else None
    return ExtractedMesh(values[:, :3].contiguous(), _faces(cells, edges), colors)


def _check(coords: Tensor, features: Tensor) -> None:
    if coords.ndim != 2 or coords.shape[1] != 3:
        raise ValueError(f"coords: shape {tuple(coords.shape)}, expected (M, 3)")
    widths = (COLOR.start, COLOR.stop)
    if features.ndim != 2 or len(features) != len(coords) or features.shape[1] not in widths:
        raise ValueError(
            f"features: shape {tuple(features.shape)}, expected ({len(coords)}, "
            f"{widths[0]}) or ({len(coords)}, {widths[1]})"
        )
    # A sum is finite only where every term is, and needs no tensor of flags.
    if not bool(features.sum(dtype=torch.float64).isfinite()):
        raise ValueError("features: not finite; decode in float32 or bfloat16 instead of float16")


def _distances(features: Tensor, grid: CubeGrid) -> Tensor:  # [M, 101] -> [M, 8, 1]
    # The decoder was trained with a surface that lies a cell's side out of its raw zero.
    return (features[:, DISTANCE].float() - 1 / grid.resolution)[..., None]


def _inside_corners(active: ActiveCells, features: Tensor) -> Tensor:
    """(P,) ascending keys of the corners whose mean distance is negative."""
    distance = _distances(features, active.grid)
    corners = torch.empty((len(features), 8), dtype=torch.int64, device=features.device)
    corners[active.order] = active.grid.corners_of(active.keys)
    # A mean is negative only where some cell's distance is.
    candidates = torch.unique(corners[distance[..., 0] < 0])
    _, mean = active.mean_at(candidates, distance)
    return candidates[mean[:, 0] < 0]


def _surface_edges(grid: CubeGrid, inside: Tensor) -> SurfaceEdges:  # [P] ascending keys
    starts, axes, senses = [], [], []
    unit_steps = grid.steps(torch.eye(3, dtype=torch.int64)).tolist()
    for axis, step in enumerate(unit_steps):
        for starts_inside in (True, False):
            other = inside + step if starts_inside else inside - step
            crosses = grid.has_corner(other) & ~find(inside, other)[1]
            start = (inside if starts_inside else other)[crosses]
            starts.append(start)
            axes.append(torch.full_like(start, axis))
            senses.append(torch.full_like(start, starts_inside, dtype=torch.bool))
    return SurfaceEdges(torch.cat(starts), torch.cat(axes), torch.cat(senses))


def _surface_cells(
    active: ActiveCells, features: Tensor, inside: Tensor, edges: SurfaceEdges
) -> SurfaceCells:
    grid, device = active.grid, features.device
    offsets = torch.tensor(CELLS_AROUND, device=device)
    touching = edges.start[:, None] + grid.steps(offsets)[edges.axis]
    on_grid = grid.has_cell(touching)
    keys = torch.unique(touching[on_grid])
    around = torch.where(on_grid, find(keys, touching)[0], -1)
    numbers = torch.tensor(_edge_numbers(), device=device)[edges.axis]
    rows = torch.arange(len(edges.start), device=device)[:, None].expand(-1, 4)
    edge_rows = torch.full((len(keys), len(EDGES)), -1, device=device)
    edge_rows[around[on_grid], numbers[on_grid]] = rows[on_grid]
    cases = _cases(grid, keys, inside)
    weights = active.values_of(keys, features[:, EDGE_WEIGHTS.start : SPLIT_WEIGHT + 1])
    return SurfaceCells(keys, cases, edge_rows, weights, around, numbers)


def _edge_numbers() -> list[list[int]]:
    """For each axis and cell of `CELLS_AROUND` the number of the edge in that cell."""
    number_of = {edge: number for number, edge in enumerate(EDGES)}
    corner_at = {offset: corner for corner, offset in enumerate(CORNERS)}
    numbers = []
    for axis, offsets in enumerate(CELLS_AROUND):
        lows = [corner_at[tuple(-o for o in offset)] for offset in offsets]
        numbers.append([number_of[low, low + 2**axis] for low in lows])
    return numbers


def _cases(grid: CubeGrid, cells: Tensor, inside: Tensor) -> Tensor:
    """(S,) cases of cells, of pinched neighbours the complementary ones."""
    bits = 2 ** torch.arange(8, device=cells.device)
    cases = (find(inside, grid.corners_of(cells))[1] * bits).sum(1)
    towards = dual_cases().to(cells.device).pinched_towards[cases]
    pinched = towards.any(1)
    index, found = find(cells, cells + grid.steps(towards))
    # A pinched case has no other ambiguous face: the neighbour is pinched at the shared one too.
    both = pinched & found & pinched[index] if len(cells) else pinched
    return torch.where(both, CASES - 1 - cases, cases)


def _edge_ends(active: ActiveCells, features: Tensor, edges: SurfaceEdges) -> EdgeEnds:
    grid = active.grid
    unit_steps = grid.steps(torch.eye(3, dtype=torch.int64, device=features.device))
    ends = torch.stack([edges.start, edges.start + unit_steps[edges.axis]], 1)
    corners, index = torch.unique(ends, return_inverse=True)
    attributes = [_distances(features, grid), features[:, DEFORMATION].unflatten(1, (8, 3))]
    if features.shape[1] == COLOR.stop:
        attributes.append(features[:, COLOR].unflatten(1, (8, 6))[..., :3])
    count, distance, deformation, *color = active.mean_at(corners, *attributes)
    # What no active cell touches is outside.
    distance = torch.where((count > 0)[:, None], distance, 1.0)
    positions = grid.positions(corners) / grid.resolution - 0.5
    positions = positions + MAX_DEFORMATION / grid.resolution * torch.tanh(deformation)
    values = torch.cat([positions, *(c.sigmoid() for c in color)], 1)
    return EdgeEnds(distance[index], values[index])


def _dual_values(cells: SurfaceCells, ends: EdgeEnds) -> Tensor:
    """(V, C) values at the dual vertices: weighted means of those where edges cross the surface."""
    table, device = dual_cases().to(cells.keys.device), cells.keys.device
    count = table.ring_count[cells.cases]
    cell = torch.arange(len(count), device=device).repeat_interleave(count)
    ring = torch.arange(len(cell), device=device) - _first_vertex(cells)[cell]
    ring_edges = table.edges_of_ring[cells.cases[cell], ring]
    edge_weights = torch.tanh(cells.weights[:, 0:12]) * WEIGHT_SCALE + 1
    corner_weights = torch.tanh(cells.weights[:, 12:20]) * WEIGHT_SCALE + 1
    corners_of_edge = torch.tensor(EDGES, device=device)
    total = torch.zeros(len(cell), ends.values.shape[2], device=device)
    total_weight = torch.zeros(len(cell), 1, device=device)
    # One edge of every ring at a time: additions in a fixed order, and little memory.
    for numbers in ring_edges.T[:MAX_RING_EDGES]:
        vertex = (numbers >= 0).nonzero()[:, 0]
        at, number = cell[vertex], numbers[vertex]
        row = cells.edges[at, number]
        scale = corner_weights[at[:, None], corners_of_edge[number]]
        weight = edge_weights[at, number][:, None]
        crossing = _zero_crossing(ends.distance[row] * scale[..., None], ends.values[row])
        total[vertex] += crossing * weight
        total_weight[vertex] += weight
    return total / total_weight


def _zero_crossing(distance: Tensor, values: Tensor) -> Tensor:  # [N, 2, 1], [N, 2, C] -> [N, C]
    """Linear interpolation to the point where the distance is zero."""
    low, high = distance.unbind(1)
    return (values[:, 0] * high - values[:, 1] * low) / (high - low)


def _first_vertex(cells: SurfaceCells) -> Tensor:
    """(S,) number of the first dual vertex of each cell."""
    count = dual_cases().to(cells.keys.device).ring_count[cells.cases]
    return count.cumsum(0) - count


def _faces(cells: SurfaceCells, edges: SurfaceEdges) -> Tensor:
    """(F, 3) two triangles for each edge that four cells of the grid surround."""
    device = cells.keys.device
    whole = (cells.around >= 0).all(1)
    around, numbers = cells.around[whole], cells.numbers[whole]
    table = dual_cases().to(device)
    vertices = _first_vertex(cells)[around] + table.ring_of_edge[cells.cases[around], numbers]
    other_sense = edges.axis[whole] == AXIS_OF_OTHER_SENSE
    back = edges.starts_inside[whole] ^ other_sense
    order = torch.tensor([ROUND, ROUND_BACK], device=device)[back.long()]
    a, b, c, d = vertices.gather(1, order).unbind(1)
    split = torch.sigmoid(cells.weights[:, 20]) * WEIGHT_SCALE + (1 - WEIGHT_SCALE) / 2
    split_a, split_b, split_c, split_d = split[around].gather(1, order).unbind(1)
    along_ac = (split_a * split_c > split_b * split_d)[:, None]
    first = torch.where(along_ac, torch.stack([a, b, c], 1), torch.stack([a, b, d], 1))
    second = torch.where(along_ac, torch.stack([a, c, d], 1), torch.stack([d, b, c], 1))
    return torch.stack([first, second], 1).reshape(-1, 3)
