"""The flow of structured latents (SLAT): TRELLIS's sparse transformer on occupied cells."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.iscene.config import SlatFlowConfig
from iscene_ros.models.iscene.networks.attention import KeyValue
from iscene_ros.models.iscene.networks.layers import (
    TIME_SCALE,
    FeedForward,
    Float32LayerNorm,
    TimestepEmbedder,
)
from iscene_ros.models.iscene.networks.scene_flow import CachedContext
from iscene_ros.models.iscene.sparse.attention import SparseCrossAttention, SparseSelfAttention
from iscene_ros.models.iscene.sparse.convolution import SubmanifoldConvolution
from iscene_ros.models.iscene.sparse.tensor import CellGeometry, SparseTensor


class SlatFlow(nn.Module):
    """Velocity of noisy latents on occupied cells.

    Convolutions bring the cells to cells of `patch_size` times the side, where the transformer
    works, and back. With the release's configuration the state dict has the names and shapes of
    the published one.
    """

    def __init__(self, config: SlatFlowConfig) -> None:
        super().__init__()
        if config.patch_size != 2 ** len(config.io_block_channels):
            raise ValueError(
                f"a patch of {config.patch_size} cells needs log2 of that many io_block_channels, "
                f"these are {config.io_block_channels}"
            )
        self.config = config
        channels = config.model_channels
        self.t_embedder = TimestepEmbedder(channels)
        self.input_layer = nn.Linear(config.in_channels, config.io_block_channels[0])
        # Before the transformer the last block of each resolution pools; after it each block also
        # gets the output of its counterpart.
        self.input_blocks = nn.ModuleList()
        widths = (*config.io_block_channels, channels)
        for own, coarser in zip(widths[:-1], widths[1:], strict=True):
            for _ in range(config.num_io_res_blocks - 1):
                self.input_blocks.append(SlatInputBlock(own, own, channels, down=False))
            self.input_blocks.append(SlatInputBlock(own, coarser, channels, down=True))
        self.blocks = nn.ModuleList(SlatFlowBlock(config) for _ in range(config.num_blocks))
        self.out_blocks = nn.ModuleList()
        for own, coarser in reversed(list(zip(widths[:-1], widths[1:], strict=True))):
            self.out_blocks.append(SlatOutBlock(2 * coarser, own, channels))
            for _ in range(config.num_io_res_blocks - 1):
                self.out_blocks.append(SlatOutBlock(2 * own, own, channels))
        self.out_layer = nn.Linear(config.io_block_channels[0], config.out_channels)

    def torso(self) -> list[nn.Module]:
        """Return the modules that may be in half precision."""
        return [self.input_blocks, self.blocks, self.out_blocks]

    @property
    def torso_dtype(self) -> torch.dtype:
        """Dtype in which the torso computes."""
        return self.blocks[0].self_attn.to_qkv.weight.dtype

    def cached_context(self, context: Tensor) -> CachedContext:
        """Return keys and values of image tokens (S, T, C_cond), which serve every step."""
        context = context.to(self.torso_dtype)
        return CachedContext(tuple(block.cross_attn.keys_values(context) for block in self.blocks))

    def forward(
        self,
        x: SparseTensor,  # (M, C_in) latents of S items
        time: Tensor,  # [S] or [1] for all, 0 = data, 1 = noise
        context: Tensor | CachedContext | None = None,  # [<= S, T, C_cond]
    ) -> Tensor:
        """Return the velocity (M, C_out).

        Context belongs to the first items. The others, or all for None, get the result of tokens of
        zeros (the unconditional pass), which takes no attention.
        """
        if isinstance(context, Tensor):
            context = self.cached_context(context)
        time_embedding = self.t_embedder(time * TIME_SCALE).to(self.torso_dtype)
        geometry = x.geometry
        h = self.input_layer(x.features.to(self.input_layer.weight.dtype)).to(self.torso_dtype)
        passed = []
        for block in self.input_blocks:
            entered = geometry
            h, geometry = block(h, geometry, time_embedding)
            passed.append((entered, h))
        h = h + geometry.positions(h.shape[1]).to(h.dtype)
        seen = context.blocks if context else [None] * len(self.blocks)
        for block, tokens in zip(self.blocks, seen, strict=True):
            h = block(h, geometry, time_embedding, tokens)
        for block in self.out_blocks:
            # The way back ends on the cells that the counterpart of this block was given.
            target, skip = passed.pop()
            h = block(torch.cat([h, skip], dim=1), geometry, time_embedding, target)
            geometry = target
        out_dtype = self.out_layer.weight.dtype
        return self.out_layer(F.layer_norm(h.to(out_dtype), h.shape[1:]))


class SlatFlowBlock(nn.Module):
    """Full self-attention of an item's cells, cross-attention, MLP; adaLN."""

    def __init__(self, config: SlatFlowConfig) -> None:
        super().__init__()
        channels, heads = config.model_channels, config.num_heads
        self.norm1 = Float32LayerNorm(channels, eps=1e-6, elementwise_affine=False)
        self.norm2 = Float32LayerNorm(channels, eps=1e-6)
        self.norm3 = Float32LayerNorm(channels, eps=1e-6, elementwise_affine=False)
        self.self_attn = SparseSelfAttention(channels, heads, qk_rms_norm=True)
        self.cross_attn = SparseCrossAttention(channels, config.cond_channels, heads)
        self.mlp = FeedForward(channels, config.mlp_ratio)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(channels, 6 * channels))

    def forward(
        self,
        x: Tensor,  # [K, C]
        geometry: CellGeometry,
        time_embedding: Tensor,  # [S, C] or [1, C]
        context: KeyValue | None,  # of the first items; those beyond it get zeros
    ) -> Tensor:
        """Return (K, C)."""
        modulation = self.adaLN_modulation(time_embedding).chunk(6, dim=1)
        shift_attn, scale_attn, gate_attn, shift_mlp, scale_mlp, gate_mlp = (
            geometry.spread(part) for part in modulation
        )
        h = self.norm1(x) * (1 + scale_attn) + shift_attn
        x = x + self.self_attn(h, geometry.item_sequences) * gate_attn
        x = x + self.cross_attn(self.norm2(x), geometry.lengths, context)
        h = self.norm3(x) * (1 + scale_mlp) + shift_mlp
        return x + self.mlp(h) * gate_mlp


class SlatResBlock(nn.Module):
    """Two convolutions, modulated by the time, and a skip."""

    def __init__(self, channels: int, out_channels: int, embedding_channels: int) -> None:
        super().__init__()
        self.norm1 = Float32LayerNorm(channels, eps=1e-6)
        self.norm2 = Float32LayerNorm(out_channels, eps=1e-6, elementwise_affine=False)
        self.conv1 = SubmanifoldConvolution(channels, out_channels)
        self.conv2 = SubmanifoldConvolution(out_channels, out_channels)
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding_channels, 2 * out_channels))
        same = channels == out_channels
        self.skip_connection = nn.Identity() if same else nn.Linear(channels, out_channels)

    def activated(self, x: Tensor) -> Tensor:
        """Return the input of the first convolution."""
        return F.silu(self.norm1(x))

    def modulated(self, h: Tensor, geometry: CellGeometry, time_embedding: Tensor) -> Tensor:
        """Map the first convolution's output (M, C_out) to the second's."""
        scale, shift = (
            geometry.spread(part) for part in self.emb_layers(time_embedding).chunk(2, dim=1)
        )
        return self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift), geometry.pairs)


class SlatInputBlock(SlatResBlock):
    """A residual block that may first pool to cells of twice the side."""

    def __init__(self, *channels: int, down: bool) -> None:
        super().__init__(*channels)
        self.down = down

    def forward(
        self, x: Tensor, geometry: CellGeometry, time_embedding: Tensor
    ) -> tuple[Tensor, CellGeometry]:
        """Return features and the cells they are on."""
        if self.down:
            x, geometry = geometry.coarsening.pool(x), geometry.coarse
        h = self.conv1(self.activated(x), geometry.pairs)
        return self.modulated(h, geometry, time_embedding) + self.skip_connection(x), geometry


class SlatOutBlock(SlatResBlock):
    """A residual block that may first copy to the cells of half the side.

    Norm, activation and skip treat each cell by itself, so they are done before cells are copied.
    """

    def forward(
        self, x: Tensor, geometry: CellGeometry, time_embedding: Tensor, target: CellGeometry
    ) -> Tensor:
        """Return features on the cells `target`: those of x, or those they were pooled from."""
        h, skip = self.activated(x), self.skip_connection(x)
        if target is geometry:
            h = self.conv1(h, target.pairs)
        else:
            h = self.conv1.forward_unpooled(h, target.coarsening.parents, target.pairs)
            skip = target.coarsening.unpool(skip)
        return self.modulated(h, target, time_embedding) + skip
