"""The 27 cells around each occupied cell, by search in sorted integer keys."""

from __future__ import annotations

import torch
from torch import Tensor

OFFSETS = 27  # of a kernel of 3^3, x slowest, each axis -1, 0, 1


def kernel_offsets(device: torch.device) -> Tensor:
    """(27, 3) int64 steps to the cells around one, in the order of a kernel's weights."""
    steps = torch.arange(-1, 2, device=device)
    return torch.cartesian_prod(steps, steps, steps)


def find_neighbours(
    coords: Tensor,  # [M, 3] int64
    items: Tensor,  # [M] int64
) -> Tensor:
    """Look up the cells around each cell within its item.

    Returns:
        (M, 27) int32 rows; M where the item has no such cell, which is the row of zeros that a
        convolution adds.

    Raises:
        ValueError: an item has a cell twice.
    """
    low = coords.amin(0) - 1
    sides = (coords.amax(0) + 2 - low).tolist()
    keys = _keys(coords - low, items, sides)
    sorted_keys, order = keys.sort()
    if bool((sorted_keys[1:] == sorted_keys[:-1]).any()):
        raise ValueError("a cell occurs twice in one item; each must be listed once")
    # A step is a constant difference of keys, because a border of one cell is kept empty.
    origin = torch.zeros_like(items[:1])
    steps = _keys(kernel_offsets(coords.device), origin, sides)
    table = torch.empty(len(coords), OFFSETS, dtype=torch.int32, device=coords.device)
    for offset, step in enumerate(steps):
        wanted = keys + step
        found = torch.searchsorted(sorted_keys, wanted).clamp_(max=len(keys) - 1)
        rows = torch.where(sorted_keys[found] == wanted, order[found], len(coords))
        table[:, offset] = rows.to(torch.int32)
    return table


def _keys(coords: Tensor, items: Tensor, sides: list[int]) -> Tensor:
    """One integer a cell, in the order of item, x, y, z."""
    x, y, z = coords.unbind(-1)
    return ((items * sides[0] + x) * sides[1] + y) * sides[2] + z


def subdivide_neighbours(
    neighbours: Tensor,  # [M, 27] int32
) -> Tensor:
    """The table of all eight halves of each cell, (8 M, 27) int32, without another search.

    From the half at 0 or 1 a step of -1, 0 or 1 leads to -1, 0, 1 or 2: that is the parent one
    before, the same parent or the one after, and there again the half at 0 or 1.
    """
    cells = len(neighbours)
    parents, halves = half_steps(neighbours.device)
    rows = neighbours[:, parents.flatten()].view(cells, 8, OFFSETS)
    # A missing parent, row M, has missing halves: row 8 M.
    children = torch.where(rows == cells, 8 * cells, 8 * rows + halves.to(rows.dtype))
    return children.view(8 * cells, OFFSETS)


def half_steps(device: torch.device) -> tuple[Tensor, Tensor]:
    """Where each of the 27 steps leads from each of the 8 halves of a cell.

    Returns:
        (8, 27) int64 which of the 27 cells around the parent, and (8, 27) int64 which of its
        halves.
    """
    bits = torch.arange(2, device=device)
    places = torch.cartesian_prod(bits, bits, bits)[:, None] + kernel_offsets(device)
    weights = torch.tensor([9, 3, 1], device=device)
    parents = ((places.div(2, rounding_mode="floor") + 1) * weights).sum(-1)
    halves = (places.remainder(2) * torch.tensor([4, 2, 1], device=device)).sum(-1)
    return parents, halves
