"""Attention with query/key RMS norm, and I-Scene's scene-context attention (SCA)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.iscene.networks.layers import HeadRMSNorm


@dataclass(frozen=True)
class KeyValue:
    """Keys and values of S slots in one block: each (S, heads, L, d)."""

    keys: Tensor
    values: Tensor

    def rows(self, index: Tensor | slice) -> KeyValue:
        """Return those of the slots `index`: (N,) int64, or a slice, which copies nothing."""
        return KeyValue(self.keys[index], self.values[index])

    @classmethod
    def joined(cls, parts: Sequence[KeyValue]) -> KeyValue:
        """Concatenate the slots of all parts."""
        return cls(torch.cat([p.keys for p in parts]), torch.cat([p.values for p in parts]))

    def with_scene(self, scene: KeyValue) -> KeyValue:
        """Return these followed by those of each slot's scene."""
        keys = torch.cat([self.keys, scene.keys], dim=2)
        return KeyValue(keys, torch.cat([self.values, scene.values], dim=2))


class SceneContextAttention(nn.Module):
    """Self-attention of slots; an instance slot may also attend to its scene's slot.

    instance: softmax(Q_i [K_i; K_s]^T / sqrt(d)) [V_i; V_s]; the scene slot attends only to itself,
    instances never see each other (arXiv 2512.13683). The same weights serve both.
    """

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.q_rms_norm = HeadRMSNorm(num_heads, channels // num_heads)
        self.k_rms_norm = HeadRMSNorm(num_heads, channels // num_heads)
        self.to_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, scene: KeyValue | None) -> tuple[Tensor, KeyValue]:
        """Attend within slots and to their scenes, if given.

        Args:
            x: (S, L, C) tokens.
            scene: keys and values of the scene slot of each of the S slots.

        Returns:
            (S, L, C), and the slots' own keys and values.
        """
        slots, length, channels = x.shape
        qkv = self.to_qkv(x).reshape(slots, length, 3, self.num_heads, -1)
        q, k, v = qkv.unbind(2)
        q, k = self.q_rms_norm(q), self.k_rms_norm(k)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))  # [S, heads, L, d]
        own = KeyValue(k, v)
        attended = attend(q, own if scene is None else own.with_scene(scene))
        return self.to_out(attended.transpose(1, 2).reshape(slots, length, channels)), own


class CrossAttention(nn.Module):
    """Attention of slot tokens to image tokens; without query/key norm, as in the release."""

    def __init__(self, channels: int, context_channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.to_q = nn.Linear(channels, channels)
        self.to_kv = nn.Linear(context_channels, 2 * channels)
        self.to_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, context: Tensor | KeyValue) -> Tensor:
        """Attend from x (S, L, C) to context (S, M, C_context), or to its keys and values."""
        slots, length, channels = x.shape
        q = self.to_q(x).reshape(slots, length, self.num_heads, -1).transpose(1, 2)
        cached = context if isinstance(context, KeyValue) else self.keys_values(context)
        attended = attend(q, cached)
        return self.to_out(attended.transpose(1, 2).reshape(slots, length, channels))

    def keys_values(self, context: Tensor) -> KeyValue:
        """Return those of context (S, M, C_context), which depend neither on time nor on slots."""
        kv = self.to_kv(context).reshape(*context.shape[:2], 2, self.num_heads, -1)
        return KeyValue(*(t.transpose(1, 2) for t in kv.unbind(2)))

    def without_context(self) -> Tensor:
        """Return the output (C,) for context tokens of zeros, which is the same for every token."""
        return self.to_out(self.to_kv.bias.chunk(2)[1])


def attend(queries: Tensor, context: KeyValue) -> Tensor:
    """Return softmax(Q K^T / sqrt(d)) V, (S, heads, L, d)."""
    return F.scaled_dot_product_attention(queries, context.keys, context.values)
