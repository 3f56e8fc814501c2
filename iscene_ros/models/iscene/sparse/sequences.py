"""Cells grouped into sequences that attend within themselves, in batches of like length."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Windows are filled up to a power of two, at least this: few batches, little waste.
SHORTEST_BATCH = 8


@dataclass(frozen=True)
class SequenceBatch:
    """B sequences filled up to L cells.

    Attributes:
        rows: (B, L) int64 cells; the fill repeats the last one.
        mask: (B, 1, 1, L) bool, False at the fill; None where there is none.
    """

    rows: Tensor
    mask: Tensor | None


@dataclass(frozen=True)
class Sequences:
    """All M cells, each in one sequence.

    Attributes:
        batches: the sequences by length.
        places: (M,) int64 where each cell stands among all places of all batches.
    """

    batches: tuple[SequenceBatch, ...]
    places: Tensor


def item_sequences(lengths: tuple[int, ...], device: torch.device) -> Sequences:
    """Each item one sequence, without fill: only items of equal length share a batch.

    So no mask is needed, and the fastest kernels serve long sequences.
    """
    counts = torch.tensor(lengths, device=device)
    return _batched(torch.arange(sum(lengths), device=device), counts, counts)


def window_sequences(
    coords: Tensor,  # [M, 3] int64
    items: Tensor,  # [M] int64
    size: int,
    shift: int,
) -> Sequences:
    """Each cube of `size` cells in each item one sequence, the cubes moved back by `shift`."""
    windows = (coords + shift).div(size, rounding_mode="floor")
    labelled = torch.cat([items[:, None], windows], dim=1)
    _, window, counts = labelled.unique(dim=0, return_inverse=True, return_counts=True)
    filled = 2 ** counts.double().log2().ceil().long()
    return _batched(window.argsort(stable=True), counts, filled.clamp(min=SHORTEST_BATCH))


def _batched(
    order: Tensor,  # [M] int64 cells, sequence by sequence
    counts: Tensor,  # [N] int64 cells of each sequence
    filled: Tensor,  # [N] int64 length that each is filled up to
) -> Sequences:
    """Put sequences of one filled length into one batch."""
    starts = counts.cumsum(0) - counts
    places = torch.empty_like(order)
    batches = []
    begin = 0
    for length in filled.unique().tolist():
        chosen = (filled == length).nonzero()  # [B, 1]
        steps = torch.arange(length, device=order.device)
        valid = steps < counts[chosen]  # [B, L]
        rows = order[starts[chosen] + steps.minimum(counts[chosen] - 1)]
        places[rows[valid]] = begin + valid.flatten().nonzero()[:, 0]
        mask = None if bool(valid.all()) else valid[:, None, None]
        batches.append(SequenceBatch(rows, mask))
        begin += rows.numel()
    return Sequences(tuple(batches), places)
