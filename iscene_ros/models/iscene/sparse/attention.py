"""Attention among the cells of an item or a window, and of cells to image tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iscene_ros.models.iscene.networks.attention import CrossAttention, KeyValue
from iscene_ros.models.iscene.networks.layers import HeadRMSNorm

# Windows are padded to a power of two, at least to this length: few batches, little waste.
SHORTEST_BATCH = 8


@dataclass(frozen=True)
class SequenceBatch:
    """B sequences padded to L cells.

    Attributes:
        rows: (B, L) int64 cells; the padding repeats the last one.
        mask: (B, 1, 1, L) bool, False at the padding; None where there is none.
    """

    rows: Tensor
    mask: Tensor | None


@dataclass(frozen=True)
class Sequences:
    """A partition of M cells into sequences that attend within themselves.

    Attributes:
        batches: the sequences, grouped by padded length.
        places: (M,) int64 position of each cell in the concatenated batches.
    """

    batches: tuple[SequenceBatch, ...]
    places: Tensor


def item_sequences(lengths: tuple[int, ...], device: torch.device) -> Sequences:
    """Return one sequence an item, without padding: only items of equal length share a batch.

    So no mask is needed, and long sequences use the fastest kernels.
    """
    counts = torch.tensor(lengths, device=device)
    return _batched(torch.arange(sum(lengths), device=device), counts, counts)


def window_sequences(
    coords: Tensor,  # [M, 3] int64
    items: Tensor,  # [M] int64
    size: int,
    shift: int,
) -> Sequences:
    """Return one sequence for each cube of `size` cells of an item, shifted back by `shift`."""
    windows = (coords + shift).div(size, rounding_mode="floor")
    labelled = torch.cat([items[:, None], windows], dim=1)
    _, window, counts = labelled.unique(dim=0, return_inverse=True, return_counts=True)
    padded = 2 ** counts.double().log2().ceil().long()
    return _batched(window.argsort(stable=True), counts, padded.clamp(min=SHORTEST_BATCH))


def _batched(
    order: Tensor,  # [M] int64 cells, sequence by sequence
    counts: Tensor,  # [N] int64 cells of each sequence
    padded: Tensor,  # [N] int64 length that each is padded to
) -> Sequences:
    """Put the sequences of one padded length into one batch."""
    starts = counts.cumsum(0) - counts
    places = torch.empty_like(order)
    batches = []
    begin = 0
    for length in padded.unique().tolist():
        chosen = (padded == length).nonzero()  # [B, 1]
        steps = torch.arange(length, device=order.device)
        valid = steps < counts[chosen]  # [B, L]
        rows = order[starts[chosen] + steps.minimum(counts[chosen] - 1)]
        places[rows[valid]] = begin + valid.flatten().nonzero()[:, 0]
        mask = None if bool(valid.all()) else valid[:, None, None]
        batches.append(SequenceBatch(rows, mask))
        begin += rows.numel()
    return Sequences(tuple(batches), places)


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
        """Let each cell attend to the cells of its sequence, from x (M, C) to (M, C).

        There is one call of scaled_dot_product_attention for each batch of equal length. Long
        sequences come alone and without a mask: they fill a GPU by themselves, and a call each
        costs less than the padding or the masked kernel that one call for all would need.
        """
        q, k, v = self.to_qkv(x).view(len(x), 3, self.num_heads, -1).unbind(1)  # [M, heads, d]
        if self.q_rms_norm is not None:
            q, k = self.q_rms_norm(q), self.k_rms_norm(k)
        attended = []
        for batch in sequences.batches:
            picked = (t[batch.rows].transpose(1, 2) for t in (q, k, v))  # [B, heads, L, d]
            out = F.scaled_dot_product_attention(*picked, attn_mask=batch.mask)
            attended.append(out.transpose(1, 2).flatten(0, 1))
        return self.to_out(torch.cat(attended)[sequences.places].flatten(1))


class SparseCrossAttention(CrossAttention):
    """Attention of each item's cells to the image tokens of that item."""

    def forward(
        self,
        x: Tensor,  # [M, C]
        lengths: tuple[int, ...],  # cells of each item
        context: KeyValue | None,  # of the first items; the others get tokens of zeros
    ) -> Tensor:
        """Return (M, C), or (1, C) for all cells where no item has context."""
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
