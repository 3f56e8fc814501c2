"""Attention with query/key RMS norm, and I-Scene's scene-context attention (SCA)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class HeadRMSNorm(nn.Module):
    """RMS norm over each head's channels with a learned gain a head and channel."""

    def __init__(self, num_heads: int, head_channels: int) -> None:
        super().__init__()
        self.scale = head_channels**0.5
        self.gamma = nn.Parameter(torch.ones(num_heads, head_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x of shape (B, L, heads, channels)."""
        return (F.normalize(x.float(), dim=-1) * self.gamma * self.scale).to(x.dtype)


@dataclass(frozen=True)
class KeyValue:
    """Keys and values of S slots in one block: each (S, heads, L, d)."""

    keys: Tensor
    values: Tensor

    def rows(self, index: Tensor) -> KeyValue:
        """Those of the slots `index` (N,) int64."""
        return KeyValue(self.keys[index], self.values[index])


class SceneContextAttention(nn.Module):
    """Self-attention of slots; an instance slot may also look at its scene's slot.

    instance: softmax(Q_i [K_i; K_s]^T / sqrt(d)) [V_i; V_s]; the scene slot attends only to itself,
    instances never see each other (arXiv 2512.13683). The same weights serve both.
    """

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.to_out = nn.Linear(channels, channels)
        self.q_rms_norm = HeadRMSNorm(num_heads, channels // num_heads)
        self.k_rms_norm = HeadRMSNorm(num_heads, channels // num_heads)

    def forward(self, x: Tensor, scene: KeyValue | None = None) -> tuple[Tensor, KeyValue]:
        """Attend within slots and, where given, to their scenes.

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
        if scene is not None:
            k = torch.cat([k, scene.keys], dim=2)
            v = torch.cat([v, scene.values], dim=2)
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(attended.transpose(1, 2).reshape(slots, length, channels)), own


class CrossAttention(nn.Module):
    """Attention of slot tokens to image tokens; without query/key norm, as in the release."""

    def __init__(self, channels: int, context_channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.to_q = nn.Linear(channels, channels)
        self.to_kv = nn.Linear(context_channels, 2 * channels)
        self.to_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Attend from x (S, L, C) to context (S, M, C_context)."""
        slots, length, channels = x.shape
        q = self.to_q(x).reshape(slots, length, self.num_heads, -1).transpose(1, 2)
        kv = self.to_kv(context).reshape(slots, context.shape[1], 2, self.num_heads, -1)
        k, v = (t.transpose(1, 2) for t in kv.unbind(2))
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(attended.transpose(1, 2).reshape(slots, length, channels))
