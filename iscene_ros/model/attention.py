"""Attention with query/key RMS norm, and I-Scene's scene-context attention (SCA)."""

from __future__ import annotations

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

    def forward(self, x: Tensor, scene_of_slot: Tensor | None = None) -> Tensor:
        """Attend within slots and, where asked, to scene slots.

        Args:
            x: (S, L, C) tokens; with `scene_of_slot` the first rows are the scene slots.
            scene_of_slot: (N,) int64, for each of the last N rows the row of its scene's slot;
                None = no scene context.

        Returns:
            (S, L, C).
        """
        slots, length, channels = x.shape
        qkv = self.to_qkv(x).reshape(slots, length, 3, self.num_heads, -1)
        q, k, v = qkv.unbind(2)
        q, k = self.q_rms_norm(q), self.k_rms_norm(k)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))  # [S, heads, L, d]
        if scene_of_slot is None:
            attended = F.scaled_dot_product_attention(q, k, v)
        else:
            attended = _attend_with_scene(q, k, v, scene_of_slot)
        return self.to_out(attended.transpose(1, 2).reshape(slots, length, channels))


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


def _attend_with_scene(q: Tensor, k: Tensor, v: Tensor, scene_of_slot: Tensor) -> Tensor:
    num_scenes = len(q) - len(scene_of_slot)
    k_context = torch.cat([k[num_scenes:], k[scene_of_slot]], dim=2)
    v_context = torch.cat([v[num_scenes:], v[scene_of_slot]], dim=2)
    scene = F.scaled_dot_product_attention(q[:num_scenes], k[:num_scenes], v[:num_scenes])
    instances = F.scaled_dot_product_attention(q[num_scenes:], k_context, v_context)
    return torch.cat([scene, instances])
