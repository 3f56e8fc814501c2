"""iscene-mini: observation volumes in, signed distances out, a scene-context flow within."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer, SceneMemory
from iscene_ros.models.iscene.scene_flow_config import MiniConfig
from iscene_ros.models.mini.grid_blocks import depth_to_space, residual_blocks, space_to_depth
from iscene_ros.models.mini.middle_level import MiddleLevel
from iscene_ros.preprocess.observation_volume import CHANNELS, FINE_PLANES


class VolumeSceneFlow(nn.Module):
    """Predicts the clean signed distance x0 of every crop from its noisy one and the observation.

    A convolutional stem turns `config.patch`^3 voxels into a token, the scene-context flow
    transformer completes them, a convolutional decoder with skip connections turns them back, so
    that what was observed passes by the bottleneck. They run at half resolution, full resolution
    enters and leaves them as channels; a level at a quarter may lie between them and the tokens.
    """

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.config = config
        channels, tokens = config.grid_channels, config.flow.in_channels
        noisy_and_time, cells = 2, config.patch // 2
        self.down_grid = nn.Conv3d(CHANNELS + noisy_and_time, channels, 4, stride=2, padding=1)
        self.encoder = residual_blocks(channels, config.encoder_layers)
        self.middle = MiddleLevel(config) if config.middle_channels else None
        if self.middle is None:
            self.down_tokens = nn.Conv3d(channels, tokens, cells, stride=cells)
            self.up_grid = nn.Conv3d(config.flow.out_channels, cells**3 * channels, 1)
        self.transformer = SceneFlowTransformer(config.flow)
        passing_by = channels + 8 * len(FINE_PLANES)
        self.merge = nn.Conv3d(channels + passing_by, channels, 1)
        self.decoder = residual_blocks(channels, config.decoder_layers)
        self.head = nn.Conv3d(channels, 8, 1)

    def forward(
        self,
        noisy: Tensor,  # [S, R, R, R] x_t
        time: Tensor,  # [S] 0 = data, 1 = noise
        volume: Tensor,  # [S, CHANNELS, R, R, R]
        positions: Tensor,  # [S, L, 4], see `token_positions`
        scene: SceneMemory | None = None,  # of each crop's scene; None = no scene context
    ) -> tuple[Tensor, SceneMemory]:
        """Return x0 (S, R, R, R), the truncated signed distance (not clipped), and a memory."""
        encoded = self._encoded(noisy, time, volume)
        tokens, memory = self.transformer(encoded.tokens, time, positions, scene)
        return self._decoded(tokens, encoded, volume), memory

    def remember(
        self, noisy: Tensor, time: Tensor, volume: Tensor, positions: Tensor
    ) -> SceneMemory:
        """The memory that `forward` returns for the same arguments, for less than half the work."""
        encoded = self._encoded(noisy, time, volume)
        return self.transformer.remember(encoded.tokens, time, positions)

    def _encoded(self, noisy: Tensor, time: Tensor, volume: Tensor) -> Encoded:
        t = time[:, None, None, None, None]
        # Pure noise has no information: fading it out makes one step from t = 1 the expectation.
        faded = (1 - t) * noisy[:, None]
        x = torch.cat([volume, faded, t.expand_as(faded)], dim=1)
        grid = self.encoder(self.down_grid(x.contiguous(memory_format=torch.channels_last_3d)))
        if self.middle is None:
            middle, tokens = None, self.down_tokens(F.silu(grid))
        else:
            middle, tokens = self.middle.encoded(grid)
        tokens = tokens.flatten(2).transpose(1, 2)
        if self.config.token_norm:
            tokens = F.layer_norm(tokens, tokens.shape[-1:])
        return Encoded(grid, middle, tokens)

    def _decoded(self, tokens: Tensor, encoded: Encoded, volume: Tensor) -> Tensor:
        """(S, R, R, R) of tokens (S, L, C_tokens), beside what was encoded and observed."""
        side = self.config.flow.tokens_per_side
        tokens = tokens.transpose(1, 2).unflatten(2, (side, side, side))
        if self.middle is None:
            completed = depth_to_space(self.up_grid(tokens), self.config.patch // 2)
        else:
            completed = self.middle.decoded(encoded.middle, tokens)
        known = [completed, encoded.grid, space_to_depth(volume[:, FINE_PLANES])]
        grid = self.decoder(self.merge(torch.cat(known, dim=1)))
        return depth_to_space(self.head(F.silu(grid)))[:, 0]


@dataclass(frozen=True)
class Encoded:
    """What the convolutions make of S crops on the way to the transformer.

    Attributes:
        grid: (S, C, R/2, R/2, R/2).
        middle: (S, C_middle, R/4, R/4, R/4), None without a middle level.
        tokens: (S, L, C_tokens).
    """

    grid: Tensor
    middle: Tensor | None
    tokens: Tensor


def token_positions(
    centers: Tensor,  # [S, 3] cube centres [m], view space
    sizes: Tensor,  # [S] cube edges [m]
    scene_centers: Tensor,  # [S, 3] centre of the crop's scene cube [m]
    scene_sizes: Tensor,  # [S] edge of the crop's scene cube [m]
    side: int,
) -> Tensor:
    """(S, side^3, 4): token centres in scene coordinates, log2(scene size / crop size)."""
    axis = (torch.arange(side, device=sizes.device, dtype=torch.float32) + 0.5) / side - 0.5
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(1, -1, 3)
    points_aligned = grid * sizes[:, None, None] + centers[:, None]
    scene = (points_aligned - scene_centers[:, None]) / scene_sizes[:, None, None]
    zoom = torch.log2(scene_sizes / sizes)[:, None, None].expand(-1, side**3, 1)
    return torch.cat([scene, zoom], dim=-1).float()
