"""iscene-mini: observation volumes in, signed distances and their expected error out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.mini.config import MiniConfig
from iscene_ros.models.mini.grid_blocks import depth_to_space, residual_blocks, space_to_depth
from iscene_ros.preprocess.view_readings import OWN, PIXEL_CLASSES, ObservationVolumes

# Channels of the pooled and of the fine part of the input.
POOLED_CHANNELS = 5 + PIXEL_CLASSES
FINE_CHANNELS = 16

# Pooled channels that bypass the encoder to the decoder: surface, gap, own pixels.
SKIPPED_PLANES = (0, 1, 5)


@dataclass(frozen=True)
class PredictedVolumes:
    """The prediction for S crops, in units of the truncation.

    Attributes:
        distance: (S, R, R, R) signed distance, not clipped.
        coarse: (S, R/2, R/2, R/2) signed distance at the middle of the decoder.
        error: (S, R, R, R) expected absolute error of `distance`, not negative.
    """

    distance: Tensor
    coarse: Tensor
    error: Tensor


class MiniNetwork(nn.Module):
    """A regression with an encoder, a decoder and skip connections at every level.

    Details enter and leave as channels of the level at half the resolution, which is narrow;
    most of the work is done at a quarter, most of the weights lie below. The distance is that of
    the level at a quarter (8 voxels a cell), interpolated, plus what the finest level adds to it.
    """

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.config = config
        fine, grid, middle, coarse = config.channels
        encoder, decoder = config.encoder_blocks, config.decoder_blocks
        self.stem = nn.Conv3d(POOLED_CHANNELS + FINE_CHANNELS, fine, 1)
        self.fine_encoder = residual_blocks(fine, encoder[0])
        self.down_pooled = nn.Conv3d(POOLED_CHANNELS, grid, 4, stride=2, padding=1)
        self.down_grid = nn.Conv3d(fine, grid, 2, stride=2)
        self.grid_encoder = residual_blocks(grid, encoder[1])
        self.down_middle = nn.Conv3d(grid, middle, 2, stride=2)
        self.middle_encoder = residual_blocks(middle, encoder[2])
        self.down_coarse = nn.Conv3d(middle, coarse, 2, stride=2)
        self.coarse_blocks = residual_blocks(coarse, encoder[3])
        self.up_middle = nn.Conv3d(coarse, 8 * middle, 1)
        self.merge_middle = nn.Conv3d(2 * middle, middle, 1)
        self.middle_decoder = residual_blocks(middle, decoder[2])
        self.up_grid = nn.Conv3d(middle, 8 * grid, 1)
        self.merge_grid = nn.Conv3d(2 * grid + 8 * len(SKIPPED_PLANES), grid, 1)
        self.grid_decoder = residual_blocks(grid, decoder[1])
        self.grid_head = nn.Conv3d(grid, 8, 1)
        self.up_fine = nn.Conv3d(grid, 8 * fine, 1)
        self.merge_fine = nn.Conv3d(2 * fine + FINE_CHANNELS + 1, fine, 1)
        self.fine_decoder = residual_blocks(fine, decoder[0])
        self.fine_head = nn.Conv3d(fine, 16, 1)

    def forward(self, volumes: ObservationVolumes) -> PredictedVolumes:
        """Predict the signed distances of S crops."""
        pooled, details = network_inputs(volumes)
        pooled = pooled.contiguous(memory_format=torch.channels_last_3d)
        details = details.contiguous(memory_format=torch.channels_last_3d)
        fine = self.fine_encoder(self.stem(torch.cat([pooled, details], 1)))
        grid = self.down_pooled(pooled) + self.down_grid(F.silu(fine))
        grid = self.grid_encoder(grid)
        known = [self._context(grid), grid, space_to_depth(pooled[:, SKIPPED_PLANES])]
        grid = self.grid_decoder(self.merge_grid(torch.cat(known, 1)))
        grid = F.silu(grid)
        coarse = depth_to_space(self.grid_head(grid))
        raised = depth_to_space(self.up_fine(grid))
        known = [raised, fine, details, coarse]
        fine = F.silu(self.fine_decoder(self.merge_fine(torch.cat(known, 1))))
        change, error = self.fine_head(fine).float().chunk(2, 1)
        coarse = coarse.float()
        base = F.interpolate(coarse, scale_factor=2, mode="trilinear", align_corners=False)
        return PredictedVolumes(
            distance=base[:, 0] + depth_to_space(change)[:, 0],
            coarse=coarse[:, 0],
            error=F.softplus(depth_to_space(error)[:, 0] - 3.0),
        )

    def _context(self, grid: Tensor) -> Tensor:
        """Return the features (S, C, R/4, R/4, R/4) that the coarser levels make of the grid's."""
        middle = self.middle_encoder(self.down_middle(F.silu(grid)))
        coarse = self.coarse_blocks(self.down_coarse(F.silu(middle)))
        raised = depth_to_space(self.up_middle(F.silu(coarse)))
        middle = self.middle_decoder(self.merge_middle(torch.cat([raised, middle], 1)))
        return depth_to_space(self.up_grid(F.silu(middle)))


def network_inputs(volumes: ObservationVolumes) -> tuple[Tensor, Tensor]:
    """Return pooled (S, POOLED_CHANNELS, r, r, r) and fine (S, FINE_CHANNELS, r, r, r), r = R/2.

    Pooled are surface, gap, height, shares of free and of hidden voxels, and the share of each
    pixel class; fine are surface and own pixels of each of the 2^3 voxels of a cell.
    """
    surface = space_to_depth(volumes.surface[:, None])  # [S, 8, r, r, r] int8
    classes = space_to_depth(volumes.pixel_class[:, None])
    gap = volumes.gap.float() / 127
    side = gap.shape[-1]
    axis = (torch.arange(side, device=gap.device) + 0.5) / side - 0.5
    height = (axis - volumes.support[:, None]).clamp(-1, 1)[:, None, None].expand_as(gap)
    fine = surface.float() / 127
    own = (classes == OWN).float()
    pooled = [fine.mean(1), gap, height, _share(surface >= 127), _share(surface <= -127)]
    pooled += [own.mean(1)] + [_share(classes == c) for c in range(1, PIXEL_CLASSES)]
    return torch.stack(pooled, 1), torch.cat([fine, own], 1)


def _share(voxels: Tensor) -> Tensor:
    return voxels.float().mean(1)
