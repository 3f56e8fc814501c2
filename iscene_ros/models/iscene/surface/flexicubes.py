"""FlexiCubes (arXiv 2308.05371) on active cells only: from a decoder's features to a mesh.

The published code lays the features into a dense grid, in which a corner that no active cell
touches is outside and a cell that is not active has neutral weights. Here such corners and cells
come into being only next to the surface; the mesh is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.surface.cube_grid import (
    ActiveCells,
    CubeGrid,
    SurfaceCells,
    SurfaceEdges,
    surface_cells,
    surface_edges,
)
from iscene_ros.models.iscene.surface.dual_cases import CORNERS, EDGES, dual_cases

# Channels of the mesh decoder's features.
DISTANCE = slice(0, 8)
DEFORMATION = slice(8, 32)
WEIGHTS = slice(32, 53)
COLOR = slice(53, 101)

# Weights stay this far from their limits, of which 0 would divide by nothing.
WEIGHT_SCALE = 0.99

# The distance of a corner that no active cell touches.
OUTSIDE = 1.0

# A corner moves by less than half a cell, so that no two change places.
MAX_DEFORMATION = (1 - 1e-8) / 2

# Ways round the four cells of `CELLS_AROUND`. The first turns by the right hand about -x, +y, -z.
ROUND, ROUND_BACK = (0, 1, 3, 2), (2, 3, 1, 0)
AXIS_OF_OTHER_SENSE = 1


@dataclass(frozen=True)
class ExtractedMesh:
    """A mesh in the cube of the coordinates.

    Attributes:
        vertices: (V, 3) float32 in [-0.5, 0.5]^3; where the surface reaches a face of the grid up
            to a cell and a half outside.
        faces: (F, 3) int64, counter-clockwise from outside.
        colors: (V, 3) float32 RGB in 0..1, or None.
    """

    vertices: Tensor
    faces: Tensor
    colors: Tensor | None


@torch.no_grad()
def extract_mesh(
    coords: Tensor,  # [M, 3] int64
    features: Tensor,  # [M, 101] or [M, 53]
    resolution: int,
    close_at_grid: bool = True,
) -> ExtractedMesh:
    """Extract the surface between corners of negative distance and the others.

    The same input gives the same bytes, whatever the order of the cells.

    Args:
        coords: cells x, y, z, each once; cell i reaches from i / resolution - 0.5 to the next.
        features: 8 corners' distance, 8 x 3 deformation, 21 weights (12 of edges, 8 of corners,
            1 of the split) and 8 x 6 colour and normal, computed with in float32.
        resolution: cells of the grid along a side.
        close_at_grid: let a surface that reaches the faces of the grid close in the cells next to
            it. The published code leaves it open there.

    Raises:
        ModelError: the features are not finite.
    """
    # A sum is finite only where every term is, and needs no tensor of flags.
    if not bool(features.sum(dtype=torch.float64).isfinite()):
        raise ModelError(
            "the mesh decoder's output is not finite; the weights are damaged or the precision is "
            "too low (convert the model with --dtype float32)"
        )
    grid = CubeGrid(resolution, margin=int(close_at_grid))
    active = ActiveCells.of(coords.long(), grid)
    # The published decoders were trained with this bias.
    distance = (features[:, DISTANCE].float() - 1 / resolution)[..., None]
    # Of each corner the position's deformation and RGB; normals are not used.
    attributes = [features[:, DEFORMATION].unflatten(1, (len(CORNERS), 3))]
    if features.shape[1] == COLOR.stop:
        attributes.append(features[:, COLOR].unflatten(1, (len(CORNERS), 6))[..., :3])
    # The mean at a corner is negative only where some cell's distance is.
    negative = distance[active.order, :, 0] < 0
    candidates = torch.unique(grid.corners_of(active.keys)[negative])
    _, mean = active.mean_at(candidates, distance)
    inside = candidates[mean[:, 0] < 0]
    edges = surface_edges(grid, inside)
    cells = surface_cells(grid, inside, edges)
    weights = active.values_of(cells.keys, features[:, WEIGHTS])
    values = _dual_values(cells, weights, *_end_values(active, edges, distance, attributes))
    colors = values[:, 3:] if values.shape[1] > 3 else None
    return ExtractedMesh(values[:, :3].contiguous(), _faces(cells, weights, edges), colors)


def _end_values(
    active: ActiveCells, edges: SurfaceEdges, distance: Tensor, attributes: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """Return distances (E, 2, 1) at both ends of edges, and positions and colours (E, 2, C)."""
    grid = active.grid
    upper = edges.start + grid.axis_steps(edges.start.device)[edges.axis]
    corners, ends = torch.unique(torch.stack([edges.start, upper], 1), return_inverse=True)
    count, mean, deformation, *color = active.mean_at(corners, distance, *attributes)
    mean = torch.where((count > 0)[:, None], mean, OUTSIDE)
    positions = grid.positions(corners) / grid.resolution - 0.5
    positions = positions + MAX_DEFORMATION / grid.resolution * torch.tanh(deformation)
    values = torch.cat([positions, *(c.sigmoid() for c in color)], 1)
    return mean[ends], values[ends]


def _dual_values(
    cells: SurfaceCells,
    weights: Tensor,  # [S, 21]
    distance: Tensor,  # [E, 2, 1]
    values: Tensor,  # [E, 2, C]
) -> Tensor:
    """Return values (V, C) at the dual vertices: weighted means over the edges of their rings."""
    device = weights.device
    table = dual_cases(device)
    count = table.ring_count[cells.cases]
    cell = torch.arange(len(count), device=device).repeat_interleave(count)
    ring = torch.arange(len(cell), device=device) - cells.first_vertex[cell]
    # In 0.01..1.99: of an edge in its dual vertices, and of the distance of a corner.
    bounded = torch.tanh(weights[:, :-1]) * WEIGHT_SCALE + 1
    edge_weight, corner_weight = bounded.split([len(EDGES), len(CORNERS)], 1)
    corners_of_edge = torch.tensor(EDGES, device=device)
    total = torch.zeros(len(cell), values.shape[2], device=device)
    total_weight = torch.zeros(len(cell), 1, device=device)
    # One edge of every ring at a time: additions in a fixed order, and little memory.
    for number in table.edges_of_ring[cells.cases[cell], ring].unbind(1):
        vertex = (number >= 0).nonzero()[:, 0]
        at, number = cell[vertex], number[vertex]
        scale = corner_weight[at[:, None], corners_of_edge[number]][..., None]
        weight = edge_weight[at, number][:, None]
        row = cells.edges[at, number]
        low, high = (distance[row] * scale).unbind(1)
        # Linearly interpolated to where the distance is zero.
        at_zero = (values[row, 0] * high - values[row, 1] * low) / (high - low)
        total[vertex] += weight * at_zero
        total_weight[vertex] += weight
    return total / total_weight


def _faces(cells: SurfaceCells, weights: Tensor, edges: SurfaceEdges) -> Tensor:
    """Return (F, 3): two triangles for each edge that four cells of the grid surround."""
    device = weights.device
    whole = (cells.around >= 0).all(1)
    around, numbers = cells.around[whole], cells.numbers[whole]
    rings = dual_cases(device).ring_of_edge[cells.cases[around], numbers]
    back = edges.starts_inside[whole] ^ (edges.axis[whole] == AXIS_OF_OTHER_SENSE)
    order = torch.tensor([ROUND, ROUND_BACK], device=device)[back.long()]
    a, b, c, d = (cells.first_vertex[around] + rings).gather(1, order).unbind(1)
    # In 0.005..0.995: of a cell's vertices for diagonals of quadrilaterals.
    split = torch.sigmoid(weights[:, -1]) * WEIGHT_SCALE + (1 - WEIGHT_SCALE) / 2
    split_a, split_b, split_c, split_d = split[around].gather(1, order).unbind(1)
    along_ac = (split_a * split_c > split_b * split_d)[:, None]
    first = torch.where(along_ac, torch.stack([a, b, c], 1), torch.stack([a, b, d], 1))
    second = torch.where(along_ac, torch.stack([a, c, d], 1), torch.stack([d, b, c], 1))
    return torch.stack([first, second], 1).reshape(-1, 3)
