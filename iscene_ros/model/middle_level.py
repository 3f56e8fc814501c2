"""A level of convolutions between iscene-mini's grid and its tokens, at a quarter of resolution."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.model.config import MiniConfig
from iscene_ros.model.grid_blocks import depth_to_space, residual_blocks


class MiddleLevel(nn.Module):
    """What reaches across a cube with more channels than the grid can afford.

    Its features join the grid's on the way into the tokens; the tokens come back to them before
    they return to the grid.
    """

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        grid, channels = config.grid_channels, config.middle_channels
        self.cells = config.patch // 4
        self.down = nn.Conv3d(grid, channels, 2, stride=2)
        self.encoder = residual_blocks(channels, config.middle_layers)
        self.to_tokens = nn.Conv3d(channels, config.flow.in_channels, self.cells, stride=self.cells)
        self.from_tokens = nn.Conv3d(config.flow.out_channels, self.cells**3 * channels, 1)
        self.decoder = residual_blocks(channels, config.middle_layers)
        self.up = nn.Conv3d(channels, 8 * grid, 1)

    def encoded(self, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Features (S, C, R/4, R/4, R/4) of the grid (S, C_grid, R/2, R/2, R/2).

        And what they add to the tokens (S, C_tokens, side, side, side).
        """
        middle = self.encoder(self.down(F.silu(grid)))
        return middle, self.to_tokens(F.silu(middle))

    def decoded(self, middle: Tensor, tokens: Tensor) -> Tensor:
        """What features and tokens (S, C_tokens, side, side, side) add to the grid."""
        middle = middle + depth_to_space(self.from_tokens(tokens), self.cells)
        return depth_to_space(self.up(F.silu(self.decoder(middle))))
