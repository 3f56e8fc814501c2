"""Attention among cells, and of cells to picture tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.iscene.networks.attention import CrossAttention, HeadRMSNorm, KeyValue
from iscene_ros.models.iscene.sparse.sequences import Sequences


def attend_within(
    q: Tensor,  # [M, heads, d]
    k: Tensor,  # [M, heads, d]
    v: Tensor,  # [M, heads, d]
    sequences: Sequences,
) -> Tensor:
    """(M, heads, d): each cell attends to the cells of its sequence.

    One call of scaled_dot_product_attention a batch of like length. Long sequences come alone and
    without a mask: they fill a GPU by themselves, and a call each costs less than the padding or
    the masked kernel that one call for all would need.
    """
    attended = []
    for batch in sequences.batches:
        picked = (t[batch.rows].transpose(1, 2) for t in (q, k, v))  # [B, heads, L, d]
        out = F.scaled_dot_product_attention(*picked, attn_mask=batch.mask)
        attended.append(out.transpose(1, 2).flatten(0, 1))
    return torch.cat(attended)[sequences.places]


class SparseSelfAttention(nn.Module):
    """Attention among the cells of each sequence."""

    def __init__(self, channels: int, num_heads: int, qk_rms_norm: bool = False) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.to_out = nn.Linear(channels, channels)
        self.q_rms_norm = self.k_rms_norm = None
        if qk_rms_norm:
            self.q_rms_norm = HeadRMSNorm(num_heads, channels // num_heads)
            self.k_rms_norm = HeadRMSNorm(num_heads, channels // num_heads)

    def forward(self, x: Tensor, sequences: Sequences) -> Tensor:
        """(M, C) -> (M, C)."""
        q, k, v = self.to_qkv(x).view(len(x), 3, self.num_heads, -1).unbind(1)
        if self.q_rms_norm is not None:
            q, k = self.q_rms_norm(q), self.k_rms_norm(k)
        return self.to_out(attend_within(q, k, v, sequences).flatten(1))


class SparseCrossAttention(CrossAttention):
    """Attention of each item's cells to that item's picture tokens."""

    def forward(
        self,
        x: Tensor,  # [M, C]
        lengths: tuple[int, ...],  # cells of each item
        context: KeyValue | None,  # of the first items; those beyond it see zeros
    ) -> Tensor:
        """(M, C), or (1, C) for all where no item has context."""
        constant = self.without_context()[None]
        if context is None:
            return constant
        seeing = lengths[: len(context.keys)]
        cells = sum(seeing)
        q = self.to_q(x[:cells]).view(cells, self.num_heads, -1).transpose(0, 1)
        attended = [
            F.scaled_dot_product_attention(own[None], k[None], v[None])[0]
            for own, k, v in zip(q.split(seeing, dim=1), context.keys, context.values, strict=True)
        ]
        out = self.to_out(torch.cat(attended, dim=1).transpose(0, 1).flatten(1))
        rest = len(x) - cells
        return torch.cat([out, constant.expand(rest, -1)]) if rest else out
