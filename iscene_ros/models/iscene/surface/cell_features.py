"""What the channels of a mesh decoder's features mean."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.surface.dual_cases import CORNERS, EDGES

DISTANCE = slice(0, 8)
DEFORMATION = slice(8, 32)
WEIGHTS = slice(32, 53)
COLOR = slice(53, 101)

# Weights stay this far from their limits, of which 0 would divide by nothing.
WEIGHT_SCALE = 0.99


@dataclass(frozen=True)
class CellFeatures:
    """Features of active cells, in whatever precision they were decoded.

    Attributes:
        channels: (M, 101), or (M, 53) without colours and normals.
        resolution: cells of the grid along a side.

    Raises:
        ValueError: wrong shape.
        ModelError: not finite.
    """

    channels: Tensor
    resolution: int

    def __post_init__(self) -> None:
        widths = (WEIGHTS.stop, COLOR.stop)
        if self.channels.ndim != 2 or self.channels.shape[1] not in widths:
            raise ValueError(
                f"features: shape {tuple(self.channels.shape)}, expected (M, {widths[1]}), "
                f"or (M, {widths[0]}) without colours"
            )
        # A sum is finite only where every term is, and needs no tensor of flags.
        if not bool(self.channels.sum(dtype=torch.float64).isfinite()):
            raise ModelError(
                "the mesh decoder's output is not finite; the weights are damaged or the precision "
                "is too low (convert the model with --dtype float32)"
            )

    def distance(self) -> Tensor:
        """(M, 8, 1) float32 of the corners, negative inside."""
        # The published decoders were trained with this bias.
        return (self.channels[:, DISTANCE].float() - 1 / self.resolution)[..., None]

    def deformation(self) -> Tensor:
        """(M, 8, 3) of the corners, before the hyperbolic tangent."""
        return self.channels[:, DEFORMATION].unflatten(1, (len(CORNERS), 3))

    def color(self) -> Tensor | None:
        """(M, 8, 3) RGB of the corners before the sigmoid; the three normal channels are unused."""
        if self.channels.shape[1] < COLOR.stop:
            return None
        return self.channels[:, COLOR].unflatten(1, (len(CORNERS), 6))[..., :3]

    def weights(self) -> Tensor:
        """(M, 21) as decoded; zeros are the neutral weights."""
        return self.channels[:, WEIGHTS]


def edge_weights(weights: Tensor) -> Tensor:  # [S, 21] -> [S, 12]
    """How much each edge of a cell pulls at a dual vertex, in 0.01..1.99."""
    return torch.tanh(weights[:, : len(EDGES)]) * WEIGHT_SCALE + 1


def corner_weights(weights: Tensor) -> Tensor:  # [S, 21] -> [S, 8]
    """By what the distance of each corner is scaled within a cell, in 0.01..1.99."""
    return torch.tanh(weights[:, len(EDGES) : -1]) * WEIGHT_SCALE + 1


def split_weight(weights: Tensor) -> Tensor:  # [S, 21] -> [S]
    """How much a cell's vertices attract the diagonals of quadrilaterals, in 0.005..0.995."""
    return torch.sigmoid(weights[:, -1]) * WEIGHT_SCALE + (1 - WEIGHT_SCALE) / 2
