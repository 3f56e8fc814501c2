"""The sizes of the scene-context flow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SceneFlowConfig:
    """A scene-context flow transformer (arXiv 2512.13683, section 3, on TRELLIS's structure flow).

    The defaults are the published sizes: config.yml of LuLing/IScene.

    Attributes:
        tokens_per_side: the token grid has this many tokens along each axis.
        in_channels, out_channels: of one token.
        model_channels, num_blocks, num_heads, mlp_ratio: of the transformer.
        cond_channels: width of the cross-attention context (image tokens).
        scene_context_blocks: how many of the middle blocks see the scene slot.
    """

    tokens_per_side: int = 16
    in_channels: int = 8
    out_channels: int = 8
    model_channels: int = 1024
    num_blocks: int = 24
    num_heads: int = 16
    mlp_ratio: float = 4.0
    cond_channels: int = 1024
    scene_context_blocks: int = 5

    @property
    def scene_context_range(self) -> range:
        """Indices of the blocks with scene-context attention: 10..14 of 24 in the release."""
        start = self.num_blocks // 2 - self.scene_context_blocks // 2
        return range(start, start + self.scene_context_blocks)
