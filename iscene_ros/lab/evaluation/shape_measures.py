"""What makes a true shape hard: how thin it is, how hollow, how large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iscene_ros.lab.synthetic.shapes import Solid

SURFACE_POINTS = 1500
# Depths at which the way from the surface to the opposite side is probed; the last one counts as
# endless [multiples of the unit of thickness].
PROBES, DEEPEST = 32, 4.0
GRID = 40
# Of the six directions along the object's axes, so many end at a wall inside a cavity: the open
# vessel's five, the ring's four; between the two arms of a clamp only three do.
WALLS = 4


@dataclass(frozen=True)
class ShapeMeasures:
    """Of one true shape.

    Attributes:
        thickness: median over the surface of the way through the body along the inward normal,
            twice the medial value of a flat wall [units]; at most `DEEPEST`.
        thin_share: share of the surface where that way is shorter than two units.
        cavity_share: volume walled in on most sides, over that plus the body's own.
        extent: longest edge of its box, in the object's frame [m].
    """

    thickness: float
    thin_share: float
    cavity_share: float
    extent: float


def measure_shape(solid: Solid, unit: float, seed: int = 0) -> ShapeMeasures:
    """Measure a solid; the unit [m] is what a thickness is compared with, such as a voxel."""
    points = solid.surface_points(SURFACE_POINTS, np.random.default_rng(seed))
    through = _thickness(solid, points, DEEPEST * unit).numpy() / unit
    low, high = solid.bounds()
    return ShapeMeasures(
        thickness=float(np.median(through)),
        thin_share=float((through < 2).mean()),
        cavity_share=cavity_share(solid),
        extent=float((high - low).max()),
    )


def cavity_share(solid: Solid) -> float:
    """Share of cavities, open ones included, in the volume of cavities and body."""
    points, cell = volume_grid(solid)
    distance = solid.distance(points.reshape(-1, 3)).reshape(points.shape[:3]).numpy()
    # Walls thinner than a cell still stop a way.
    wall = distance < 0.5 * cell
    walls = np.zeros(wall.shape, np.int8)
    for axis in range(3):
        walls += np.logical_or.accumulate(wall, axis)
        walls += np.flip(np.logical_or.accumulate(np.flip(wall, axis), axis), axis)
    cavity = float(np.count_nonzero(~wall & (walls >= WALLS)))
    body = float(np.clip(0.5 - distance / cell, 0, 1).sum())
    return cavity / max(cavity + body, 1e-9)


def volume_grid(solid: Solid) -> tuple[Tensor, float]:
    """Points (X, Y, Z, 3) that fill the box of a solid, in its frame, and their spacing [m]."""
    low, high = (corner.numpy().astype(np.float64) for corner in solid.bounds())
    cell = float((high - low).max()) / GRID
    counts = np.maximum(np.ceil((high - low) / cell), 1).astype(int)
    first = 0.5 * (low + high) - 0.5 * (counts - 1) * cell
    axes = [torch.arange(int(n)) * cell + float(a) for n, a in zip(counts, first, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).float(), cell


def _thickness(solid: Solid, points: Tensor, deepest: float) -> Tensor:
    """(P,) way from surface points (P, 3) along their inward normals to the other side [m]."""
    normals = torch.nn.functional.normalize(solid.gradient(points), dim=1)
    depths = torch.arange(1, PROBES + 1) * (deepest / PROBES)
    probes = points[:, None] - depths[:, None] * normals[:, None]
    outside = solid.distance(probes.reshape(-1, 3)).reshape(len(points), PROBES) > 0
    first = outside.int().argmax(1)
    return torch.where(outside.any(1), depths[first], torch.full((), deepest))
