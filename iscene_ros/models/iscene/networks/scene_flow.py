"""The scene-context flow transformer: TRELLIS's structure flow, reprogrammed as in I-Scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.iscene.config import SceneFlowConfig
from iscene_ros.models.iscene.networks.attention import (
    CrossAttention,
    KeyValue,
    SceneContextAttention,
)
from iscene_ros.models.iscene.networks.layers import (
    TIME_SCALE,
    FeedForward,
    Float32LayerNorm,
    TimestepEmbedder,
    at_least_float32,
    grid_positions,
)


@dataclass(frozen=True)
class SceneMemory:
    """Keys and values of scene slots in the scene-context blocks, in the order of the blocks.

    Instances attend to them, so a scene slot is computed once for any number of instances.

    Attributes:
        blocks: keys and values of the scene slots.
        index: (N,) int64 the scene of each of N slots; None = they are the scenes in turn.
    """

    blocks: tuple[KeyValue, ...]
    index: Tensor | None = None

    def rows(self, index: Tensor) -> SceneMemory:
        """Return the memory of the scenes `index` (N,) int64, one for each of N slots."""
        return SceneMemory(self.blocks, index if self.index is None else self.index[index])

    def of_block(self, number: int) -> KeyValue:
        """Return keys and values of each slot's scene in one of the scene-context blocks."""
        block = self.blocks[number]
        return block if self.index is None else block.rows(self.index)

    @classmethod
    def joined(cls, parts: Sequence[SceneMemory]) -> SceneMemory:
        """Concatenate the memory of all parts."""
        if len(parts) == 1:
            return parts[0]
        blocks = zip(*(part.blocks for part in parts), strict=True)
        return cls(tuple(KeyValue.joined(block) for block in blocks))


@dataclass(frozen=True)
class CachedContext:
    """Keys and values of the context in every block, which serve all steps."""

    blocks: tuple[KeyValue, ...]

    def rows(self, index: Tensor | slice) -> CachedContext:
        """Return those of the slots `index`."""
        return CachedContext(tuple(block.rows(index) for block in self.blocks))


class SceneFlowTransformer(nn.Module):
    """Transformer on tokens of scene and instance slots.

    Its state dict has the names and shapes of the published denoiser.
    """

    def __init__(self, config: SceneFlowConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.model_channels
        self.t_embedder = TimestepEmbedder(channels)
        self.input_layer = nn.Linear(config.in_channels, channels)
        self.register_buffer("pos_emb", grid_positions(config.tokens_per_side, channels))
        self.blocks = nn.ModuleList(
            SceneFlowBlock(config, scene_context=i in config.scene_context_range)
            for i in range(config.num_blocks)
        )
        self.out_layer = nn.Linear(channels, config.out_channels)

    def torso(self) -> list[nn.Module]:
        """Return the modules whose linear layers the release keeps in half precision."""
        return [self.blocks]

    def forward(
        self,
        tokens: Tensor,  # [S, L, C_in]
        time: Tensor,  # [S], or [1] for all slots; 0 = data, 1 = noise
        scene: SceneMemory | None = None,  # of the scene of each of the S slots
        context: Tensor | CachedContext | None = None,  # [<= S, M, C_cond]
    ) -> tuple[Tensor, SceneMemory]:
        """Return (S, L, C_out), and the memory of the slots for others to attend to.

        Context belongs to the first slots. The others, or all for None, get the result of tokens
        of zeros (the unconditional pass), which takes no attention.
        """
        x, time_embedding = self.embed(tokens), self.embed_time(time)
        x, memory = self.run(range(len(self.blocks)), x, time_embedding, scene, context)
        return self.project(x), memory

    def embed(self, tokens: Tensor) -> Tensor:
        """Embed tokens (S, L, C_in) as the input (S, L, C) of the first block."""
        x = self.input_layer(tokens.to(self.input_layer.weight.dtype))
        return self._into_torso(x + self.pos_emb)

    def embed_time(self, time: Tensor) -> Tensor:
        """Embed times (S,) in 0..1 as (S, C)."""
        return self._into_torso(self.t_embedder(time * TIME_SCALE))

    def run(
        self,
        blocks: Sequence[int],
        x: Tensor,  # [S, L, C]
        time_embedding: Tensor,  # [S, C] or [1, C]
        scene: SceneMemory | None,
        context: Tensor | CachedContext | None,
    ) -> tuple[Tensor, SceneMemory]:
        """Run x through the blocks of these numbers; return it and its memory.

        There is no memory of slots that have a scene.
        """
        if isinstance(context, Tensor):
            context = self._into_torso(context)
        memory = []
        for i in blocks:
            block = self.blocks[i]
            seen = scene if block.scene_context else None
            if seen is not None:
                seen = seen.of_block(i - self.config.scene_context_range.start)
            read = context.blocks[i] if isinstance(context, CachedContext) else context
            x, own = block(x, time_embedding, seen, read)
            if block.scene_context and scene is None:
                # Copies do not keep the memory of the queries alive.
                memory.append(KeyValue(own.keys.contiguous(), own.values.contiguous()))
        return x, SceneMemory(tuple(memory))

    def project(self, x: Tensor) -> Tensor:
        """Project the output (S, L, C) of the last block to (S, L, C_out)."""
        normed = F.layer_norm(at_least_float32(x), x.shape[-1:])
        return self.out_layer(normed.to(self.out_layer.weight.dtype))

    def cached_context(self, context: Tensor) -> CachedContext:
        """Return keys and values of context (S, M, C_cond) in all blocks, for all steps."""
        context = self._into_torso(context)
        return CachedContext(tuple(b.cross_attn.keys_values(context) for b in self.blocks))

    def _into_torso(self, x: Tensor) -> Tensor:
        """Convert x to the dtype of the blocks; under autocast it stays."""
        outer, torso = self.input_layer.weight.dtype, self.blocks[0].mlp.mlp[0].weight.dtype
        return x.to(torso) if x.dtype == outer else x


class SceneFlowBlock(nn.Module):
    """Self-attention (with scene context in the middle blocks), cross-attention, MLP; adaLN."""

    def __init__(self, config: SceneFlowConfig, scene_context: bool) -> None:
        super().__init__()
        channels = config.model_channels
        self.scene_context = scene_context
        self.norm1 = nn.LayerNorm(channels, eps=1e-6, elementwise_affine=False)
        self.norm3 = nn.LayerNorm(channels, eps=1e-6, elementwise_affine=False)
        self.norm2 = Float32LayerNorm(channels, eps=1e-6)
        self.self_attn = SceneContextAttention(channels, config.num_heads)
        self.cross_attn = CrossAttention(channels, config.cond_channels, config.num_heads)
        self.mlp = FeedForward(channels, config.mlp_ratio)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(channels, 6 * channels))

    def forward(
        self,
        x: Tensor,  # [S, L, C]
        time_embedding: Tensor,  # [S, C] or [1, C]
        scene: KeyValue | None,
        context: Tensor | KeyValue | None,
    ) -> tuple[Tensor, KeyValue]:
        """Return (S, L, C) and the self-attention's keys and values."""
        modulation = self.adaLN_modulation(time_embedding).unsqueeze(1).chunk(6, dim=-1)
        shift_attn, scale_attn, gate_attn, shift_mlp, scale_mlp, gate_mlp = modulation
        h = self.norm1(x) * (1 + scale_attn) + shift_attn
        h, own = self.self_attn(h, scene)
        x = x + h * gate_attn
        x = x + self._read(x, context)
        h = self.norm3(x) * (1 + scale_mlp) + shift_mlp
        return x + self.mlp(h) * gate_mlp, own

    def _read(self, x: Tensor, context: Tensor | KeyValue | None) -> Tensor:
        """Cross-attend from the first slots to their context; the others get a constant."""
        if context is None:
            return self.cross_attn.without_context()
        count = len(context.keys if isinstance(context, KeyValue) else context)
        read = self.cross_attn(self.norm2(x[:count]), context)
        if count == len(x):
            return read
        constant = self.cross_attn.without_context().expand_as(x[count:])
        return torch.cat([read, constant])
