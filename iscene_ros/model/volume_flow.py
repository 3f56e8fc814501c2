"""iscene-mini: observation volumes in, signed distances out, a scene-context flow within."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.model.config import MiniConfig
from iscene_ros.model.observation_volume import CHANNELS, FINE_PLANES, own_view
from iscene_ros.model.scene_flow import SceneFlowTransformer, SceneMemory


class VolumeSceneFlow(nn.Module):
    """Predicts the clean signed distance x0 of every slot from its noisy one and the observation.

    A convolutional stem turns `config.patch`^3 voxels into a token, the scene-context flow
    transformer completes them, a convolutional decoder with skip connections turns them back, so
    that what was observed passes by the bottleneck. All convolutions run at half resolution; full
    resolution enters and leaves them as channels.
    """

    def __init__(self, config: MiniConfig) -> None:
        super().__init__()
        self.config = config
        channels, tokens = config.grid_channels, config.flow.in_channels
        noisy_and_time, cells = 2, config.patch // 2
        self.down_grid = nn.Conv3d(CHANNELS + noisy_and_time, channels, 4, stride=2, padding=1)
        self.encoder = _residual_blocks(channels, config.encoder_layers)
        self.down_tokens = nn.Conv3d(channels, tokens, cells, stride=cells)
        self.transformer = SceneFlowTransformer(config.flow)
        self.up_grid = nn.Conv3d(config.flow.out_channels, cells**3 * channels, 1)
        self.merge = nn.Conv3d(2 * channels + 8 * len(FINE_PLANES), channels, 1)
        self.decoder = _residual_blocks(channels, config.decoder_layers)
        self.head = nn.Conv3d(channels, 8, 1)

    def forward(
        self,
        noisy: Tensor,  # [S, R, R, R] x_t
        time: Tensor,  # [S] 0 = data, 1 = noise
        volume: Tensor,  # [S, CHANNELS, R, R, R]
        positions: Tensor,  # [S, L, 4], see `token_positions`
        scene: SceneMemory | None = None,  # of each slot's scene; None = no scene context
    ) -> tuple[Tensor, SceneMemory]:
        """Return x0 (S, R, R, R), the truncated signed distance (not clipped), and a memory."""
        if self.config.own_view and scene is not None:
            volume = own_view(volume)
        grid, tokens = self._encoded(noisy, time, volume)
        tokens, memory = self.transformer(tokens, time, positions, scene)
        predicted = self._decoded(tokens, grid, volume)
        if self.config.prediction == "v":
            predicted = noisy - time[:, None, None, None] * predicted
        return predicted, memory

    def remember(
        self, noisy: Tensor, time: Tensor, volume: Tensor, positions: Tensor
    ) -> SceneMemory:
        """The memory that `forward` returns for the same arguments, for less than half the work."""
        _, tokens = self._encoded(noisy, time, volume)
        return self.transformer.remember(tokens, time, positions)

    def _encoded(self, noisy: Tensor, time: Tensor, volume: Tensor) -> tuple[Tensor, Tensor]:
        """The grid at half resolution (S, C, R/2, R/2, R/2) and its tokens (S, L, C_tokens)."""
        t = time[:, None, None, None, None]
        # Pure noise tells nothing: fading it out makes one step from t = 1 the conditional mean.
        fade = 1 - t if self.config.prediction == "x" else 1
        faded = fade * noisy[:, None]
        x = torch.cat([volume, faded, t.expand_as(faded)], dim=1)
        grid = self.encoder(self.down_grid(x.contiguous(memory_format=torch.channels_last_3d)))
        tokens = self.down_tokens(F.silu(grid)).flatten(2).transpose(1, 2)
        if self.config.token_norm:
            tokens = F.layer_norm(tokens, tokens.shape[-1:])
        return grid, tokens

    def _decoded(self, tokens: Tensor, grid: Tensor, volume: Tensor) -> Tensor:
        """(S, R, R, R) of tokens (S, L, C_tokens), beside what was encoded and observed."""
        side = self.config.flow.tokens_per_side
        tokens = tokens.transpose(1, 2).unflatten(2, (side, side, side))
        fine = space_to_depth(volume[:, FINE_PLANES])
        cells = self.config.patch // 2
        grid = torch.cat([depth_to_space(self.up_grid(tokens), cells), grid, fine], dim=1)
        grid = self.decoder(self.merge(grid))
        return depth_to_space(self.head(F.silu(grid)))[:, 0]


class ResidualBlock(nn.Module):
    """Two 3^3 convolutions around a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the shape of x."""
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


def depth_to_space(x: Tensor, side: int = 2) -> Tensor:
    """(S, n^3 C, D, D, D) -> (S, C, nD, nD, nD): channels become the voxels of n^3 cells."""
    x = x.unflatten(1, (-1, side, side, side))
    return x.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def space_to_depth(x: Tensor) -> Tensor:
    """The inverse of `depth_to_space`."""
    side = x.shape[-1] // 2
    x = x.unflatten(4, (side, 2)).unflatten(3, (side, 2)).unflatten(2, (side, 2))
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)


def token_positions(
    centers: Tensor,  # [S, 3] cube centres [m], view space
    sizes: Tensor,  # [S] cube edges [m]
    scene_centers: Tensor,  # [S, 3] centre of the slot's scene cube [m]
    scene_sizes: Tensor,  # [S] edge of the slot's scene cube [m]
    side: int,
) -> Tensor:
    """(S, side^3, 4): token centres in scene coordinates, log2(scene size / slot size)."""
    axis = (torch.arange(side, device=sizes.device, dtype=torch.float32) + 0.5) / side - 0.5
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(1, -1, 3)
    points_view = grid * sizes[:, None, None] + centers[:, None]
    scene = (points_view - scene_centers[:, None]) / scene_sizes[:, None, None]
    zoom = torch.log2(scene_sizes / sizes)[:, None, None].expand(-1, side**3, 1)
    return torch.cat([scene, zoom], dim=-1).float()


def _residual_blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))
