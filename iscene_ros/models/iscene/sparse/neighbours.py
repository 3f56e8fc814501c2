"""The neighbours of each occupied cell, found by search in sorted integer keys.

The 27 steps of a 3^3 kernel are numbered as its weights are: x slowest, each axis -1, 0, 1. So
step 13 is the centre, and step 26 - s is the opposite of step s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

STEPS = 27
STAY = 13


@dataclass(frozen=True)
class StepPairs:
    """Rows of P cells and of their neighbours in one direction: each (P,) int32, no row twice."""

    cells: Tensor
    neighbours: Tensor

    def reversed(self) -> StepPairs:
        """Return the pairs of the opposite step."""
        return StepPairs(self.neighbours, self.cells)


@dataclass(frozen=True)
class KernelPairs:
    """Cells and their neighbours for each step of a 3^3 kernel.

    Attributes:
        stay: each cell with itself.
        before: the pairs of steps 0 to 12; the others are their opposites.
    """

    stay: StepPairs
    before: tuple[StepPairs, ...]

    def at(self, step: int) -> StepPairs:
        """Return the pairs of one of the 27 steps."""
        if step == STAY:
            return self.stay
        return self.before[step] if step < STAY else self.before[STEPS - 1 - step].reversed()

    def around(self) -> Iterator[tuple[int, StepPairs]]:
        """Yield each step but the centre, with its pairs."""
        for step in range(STEPS):
            if step != STAY:
                yield step, self.at(step)


def find_pairs(
    coords: Tensor,  # [M, 3] int64
    items: Tensor,  # [M] int64
) -> KernelPairs:
    """Find the neighbours of each cell within its item, which has each cell once."""
    low = coords.amin(0) - 1
    sides = (coords.amax(0) + 2 - low).tolist()
    keys = _keys(coords - low, items, sides)
    sorted_keys, order = keys.sort()
    # A step is a constant difference of keys, because a border of one cell is kept empty.
    differences = _keys(kernel_steps().to(coords.device), torch.zeros_like(items[:1]), sides)
    before = []
    for difference in differences[:STAY]:
        wanted = keys + difference
        found = torch.searchsorted(sorted_keys, wanted).clamp_(max=len(keys) - 1)
        cells = (sorted_keys[found] == wanted).nonzero()[:, 0]
        before.append(StepPairs(cells.int(), order[found[cells]].int()))
    return KernelPairs(_stay(len(coords), coords.device), tuple(before))


def subdivide_pairs(pairs: KernelPairs) -> KernelPairs:
    """Return the pairs of all eight subcells of each cell, without another search."""
    cells = len(pairs.stay.cells)
    parents, halves = half_steps()
    before = []
    for step in range(STAY):
        parts = [pairs.at(parent) for parent in parents[:, step].tolist()]
        targets = [8 * part.cells + half for half, part in enumerate(parts)]
        sources = [
            8 * part.neighbours + half
            for part, half in zip(parts, halves[:, step].tolist(), strict=True)
        ]
        before.append(StepPairs(torch.cat(targets), torch.cat(sources)))
    return KernelPairs(_stay(8 * cells, pairs.stay.cells.device), tuple(before))


def kernel_steps() -> Tensor:
    """Return the (27, 3) int64 steps in x, y, z."""
    steps = torch.arange(-1, 2)
    return torch.cartesian_prod(steps, steps, steps)


def half_steps() -> tuple[Tensor, Tensor]:
    """Return where each of the 27 steps leads from each of the 8 subcells of a cell.

    Along an axis, a step of -1, 0 or 1 from subcell 0 or 1 leads to -1, 0, 1 or 2: that is the
    previous cell, the same cell or the next one, and there again subcell 0 or 1.

    Returns:
        (8, 27) int64 the step from the cell to the other cell, and (8, 27) int64 its subcell.
    """
    bits = torch.arange(2)
    places = torch.cartesian_prod(bits, bits, bits)[:, None] + kernel_steps()
    cells = ((places.div(2, rounding_mode="floor") + 1) * torch.tensor([9, 3, 1])).sum(-1)
    return cells, (places.remainder(2) * torch.tensor([4, 2, 1])).sum(-1)


def _keys(coords: Tensor, items: Tensor, sides: list[int]) -> Tensor:
    """Return one integer for each cell, ordered by item, x, y, z."""
    x, y, z = coords.unbind(-1)
    return ((items * sides[0] + x) * sides[1] + y) * sides[2] + z


def _stay(cells: int, device: torch.device) -> StepPairs:
    rows = torch.arange(cells, dtype=torch.int32, device=device)
    return StepPairs(rows, rows)
