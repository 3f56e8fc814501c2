"""A level of convolutions between iscene-mini's grid and its tokens, at a quarter of resolution."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.iscene.scene_flow_config import MiniConfig
from iscene_ros.models.mini.grid_blocks import depth_to_space, residual_blocks


class MiddleLevel(nn.Module):
    """What reaches across a cube with more channels than the grid can afford.

    The tokens are made of its features and come back to them, which then return to the grid.
    Features are normalised before each activation: a branch that is only noise at first is else
    silenced for good, by driving all of them far below zero.
    """

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        grid, channels = config.grid_channels, config.middle_channels
        tokens_in, tokens_out = config.flow.in_channels, config.flow.out_channels
        self.cells = config.patch // 4
        self.down = nn.Conv3d(grid, channels, 2, stride=2)
        self.encoder = residual_blocks(channels, config.middle_layers)
        self.norm_encoded = nn.GroupNorm(8, channels)
        self.to_tokens = nn.Conv3d(channels, tokens_in, self.cells, stride=self.cells)
        self.from_tokens = nn.Conv3d(tokens_out, self.cells**3 * channels, 1)
        self.decoder = residual_blocks(channels, config.middle_layers)
        self.norm_decoded = nn.GroupNorm(8, channels)
        self.up = nn.Conv3d(channels, 8 * grid, 1)

    def encoded(self, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Features (S, C, R/4, R/4, R/4) of the grid (S, C_grid, R/2, R/2, R/2).

        And the tokens of them (S, C_tokens, side, side, side).
        """
        middle = self.norm_encoded(self.encoder(self.down(F.silu(grid))))
        return middle, self.to_tokens(F.silu(middle))

    def decoded(self, middle: Tensor, tokens: Tensor) -> Tensor:
        """(S, C_grid, R/2, R/2, R/2) of features and tokens (S, C_tokens, side, side, side)."""
        middle = middle + depth_to_space(self.from_tokens(tokens), self.cells)
        middle = self.norm_decoded(self.decoder(middle))
        return depth_to_space(self.up(F.silu(middle)))
