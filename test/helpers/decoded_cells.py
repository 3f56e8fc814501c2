"""What a perfect mesh decoder would say of the cells around an analytic surface."""

import numpy as np
import torch

from iscene_ros.models.iscene.surface.dual_cases import CORNERS


def all_cells(resolution):
    """(R^3, 3) int64."""
    axis = torch.arange(resolution)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)


def cells_of(field, resolution, depth=np.inf, margin=2.0):
    """Cells of a distance field, from `depth` cells below its zero to `margin` cells above it."""
    cells = all_cells(resolution)
    distance = resolution * field((cells.double() + 0.5) / resolution - 0.5)
    return cells[(distance > -depth) & (distance < margin)]


def features_of(field, color, cells, resolution, seed=0):
    """(M, 101) float32 of a distance field and a colour field, with random moves and weights."""
    generator = torch.Generator().manual_seed(seed)
    # Neighbours agree on what they say of the corner they share.
    moves = torch.randn(*[resolution + 1] * 3, 3, generator=generator).double()
    corners = cells[:, None] + torch.tensor(CORNERS)
    moves = moves[tuple(corners.unbind(-1))]
    positions = corners / resolution - 0.5 + torch.tanh(moves) / (2 * resolution)
    colors = torch.zeros(len(cells), 8, 6, dtype=torch.float64)
    colors[..., :3] = torch.logit(color(positions))
    weights = 0.3 * torch.randn(len(cells), 21, generator=generator)
    parts = [field(positions) + 1 / resolution, moves.flatten(1), weights, colors.flatten(1)]
    return torch.cat([part.float() for part in parts], 1)


def of_corners(distance):
    """All cells and their plain features, of (R + 1, R + 1, R + 1) distances at the corners."""
    resolution = len(distance) - 1
    cells = all_cells(resolution)
    features = torch.zeros(len(cells), 101)
    corners = cells[:, None] + torch.tensor(CORNERS)
    features[:, :8] = distance[tuple(corners.unbind(-1))] + 1 / resolution
    return cells, features


def random_cells(resolution, share, seed):
    """A random share of the cells, and features of pure noise."""
    generator = torch.Generator().manual_seed(seed)
    cells = all_cells(resolution)
    cells = cells[torch.rand(len(cells), generator=generator) < share]
    return cells, torch.randn(len(cells), 101, generator=generator)


def sphere(radius, center=(0.0, 0.0, 0.0)):
    """A distance field of (..., 3) points."""
    return lambda points: (points - torch.tensor(center)).norm(dim=-1) - radius


def torus(ring_radius, tube_radius):
    """A distance field; the axis is z."""
    return lambda p: torch.hypot(p[..., :2].norm(dim=-1) - ring_radius, p[..., 2]) - tube_radius


def waves(seed, count=8, frequency=6.0):
    """A smooth random field within a ball: negative in blobs, about a distance near its zero."""
    random = np.random.default_rng(seed)
    directions = torch.tensor(random.normal(size=(3, count)) * frequency)
    phases, sizes = (torch.tensor(random.uniform(0.5, 1, count) * k) for k in (2 * np.pi, 0.08))

    def field(points):
        inner = (torch.sin(points @ directions + phases) * sizes).sum(-1) / count**0.5
        return torch.maximum(inner, points.norm(dim=-1) - 0.42)

    return field
