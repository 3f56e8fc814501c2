"""TRELLIS's sparse mesh decoder: from structured latents to the features of FlexiCubes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.iscene.config import MeshDecoderConfig
from iscene_ros.models.iscene.networks.layers import FeedForward, Float32LayerNorm, SparseGroupNorm
from iscene_ros.models.iscene.sparse.attention import Sequences, SparseSelfAttention
from iscene_ros.models.iscene.sparse.convolution import PointwiseConvolution, SubmanifoldConvolution
from iscene_ros.models.iscene.sparse.tensor import CellGeometry, SparseTensor


class MeshDecoder(nn.Module):
    """A transformer with shifted windows, then two subdivisions of the cells.

    With the release's configuration the state dict has the names and shapes of the published one.
    """

    def __init__(self, config: MeshDecoderConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.model_channels
        self.input_layer = nn.Linear(config.latent_channels, channels)
        self.blocks = nn.ModuleList(MeshDecoderBlock(config) for _ in range(config.num_blocks))
        self.upsample = nn.ModuleList(
            [SubdivideBlock(channels, channels // 4), SubdivideBlock(channels // 4, channels // 8)]
        )
        self.out_layer = nn.Linear(channels // 8, config.out_channels)

    def torso(self) -> list[nn.Module]:
        """Return the modules that may be in half precision."""
        return [self.blocks, self.upsample]

    def forward(self, latents: SparseTensor) -> SparseTensor:
        """Decode latents (M, C) to features (64 M, out_channels) on cells of a quarter side."""
        geometry = latents.geometry
        h = self.input_layer(latents.features.to(self.input_layer.weight.dtype))
        torso = self.blocks[0].attn.to_qkv.weight.dtype
        h = (h + geometry.positions(h.shape[1]).to(h.dtype)).to(torso)
        size = self.config.window_size
        for i, block in enumerate(self.blocks):
            h = block(h, geometry.windows(size, shift=size // 2 * (i % 2)))
        for block in self.upsample:
            h, geometry = block(h, geometry), geometry.subdivided
        return SparseTensor(geometry, self.out_layer(h.to(self.out_layer.weight.dtype)))


class MeshDecoderBlock(nn.Module):
    """Self-attention in windows and MLP, each after a norm."""

    def __init__(self, config: MeshDecoderConfig) -> None:
        super().__init__()
        channels = config.model_channels
        self.norm1 = Float32LayerNorm(channels, eps=1e-6, elementwise_affine=False)
        self.norm2 = Float32LayerNorm(channels, eps=1e-6, elementwise_affine=False)
        self.attn = SparseSelfAttention(channels, config.num_heads)
        self.mlp = FeedForward(channels, config.mlp_ratio)

    def forward(self, x: Tensor, windows: Sequences) -> Tensor:
        """Refine x (M, C)."""
        x = x + self.attn(self.norm1(x), windows)
        return x + self.mlp(self.norm2(x))


class SubdivideBlock(nn.Module):
    """A residual block on the eight subcells of each cell."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        # Names and places are those of the published state dict; the gaps are its activations.
        self.act_layers = nn.ModuleList([SparseGroupNorm(channels), nn.SiLU()])
        self.out_layers = nn.ModuleList(
            [
                SubmanifoldConvolution(channels, out_channels),
                SparseGroupNorm(out_channels),
                nn.SiLU(),
                SubmanifoldConvolution(out_channels, out_channels),
            ]
        )
        self.skip_connection = PointwiseConvolution(channels, out_channels)

    def forward(self, x: Tensor, geometry: CellGeometry) -> Tensor:
        """Map x (M, C) on cells to (8 M, C_out) on `geometry.subdivided`."""
        finer = geometry.subdivided
        first, norm, _, second = self.out_layers
        h = F.silu(self.act_layers[0](x, geometry.lengths))
        h = first.forward_subdivided(h, geometry.pairs)
        h = second(F.silu(norm(h, finer.lengths)), finer.pairs)
        return h + self.skip_connection(x).repeat_interleave(8, dim=0)
