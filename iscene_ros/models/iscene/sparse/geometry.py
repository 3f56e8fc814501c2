"""Where the occupied cells of a batch are, and what follows from that alone."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from iscene_ros.models.iscene.sparse.neighbours import KernelPairs, find_pairs, subdivide_pairs
from iscene_ros.models.iscene.sparse.positions import absolute_positions
from iscene_ros.models.iscene.sparse.resample import Coarsening, coarsen, subdivide_coords
from iscene_ros.models.iscene.sparse.sequences import Sequences, item_sequences, window_sequences


class CellGeometry:
    """A set of cells for each item of a batch.

    Tables that layers need are made when first asked for and kept, so all layers and all steps
    of a sampler that share a geometry share them too.

    Attributes:
        coords: (M, 3) int64 cells x, y, z; those of one item follow each other.
        lengths: how many cells each item has.
    """

    def __init__(self, coords: Tensor, lengths: tuple[int, ...]) -> None:
        """Keep the cells.

        Raises:
            ValueError: coordinates of another shape or type, or lengths that do not add up.
        """
        if coords.ndim != 2 or coords.shape[1] != 3 or coords.dtype != torch.int64:
            raise ValueError(
                f"cells must be (M, 3) int64, these are {tuple(coords.shape)} {coords.dtype}"
            )
        if sum(lengths) != len(coords) or min(lengths, default=0) < 1:
            raise ValueError(
                f"{len(coords)} cells cannot be split into items of {lengths}: each needs at least "
                "one, and all together as many as there are"
            )
        self.coords = coords
        self.lengths = tuple(lengths)
        self._windows: dict[tuple[int, int], Sequences] = {}
        self._positions: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.coords)

    @cached_property
    def items(self) -> Tensor:
        """(M,) int64: the item each cell belongs to."""
        lengths = torch.tensor(self.lengths, device=self.coords.device)
        numbers = torch.arange(len(self.lengths), device=self.coords.device)
        return numbers.repeat_interleave(lengths, output_size=len(self))

    @cached_property
    def pairs(self) -> KernelPairs:
        """Which cells lie around which."""
        return find_pairs(self.coords, self.items)

    @cached_property
    def coarsening(self) -> Coarsening:
        """How the cells fall into cells of twice the side."""
        return coarsen(self.coords, self.items, len(self.lengths))

    @cached_property
    def coarse(self) -> CellGeometry:
        """The occupied cells of twice the side."""
        return CellGeometry(self.coarsening.coords, self.coarsening.lengths)

    @cached_property
    def subdivided(self) -> CellGeometry:
        """All eight halves of each cell; those of row i are rows 8 i to 8 i + 7."""
        return SubdividedGeometry(self)

    @cached_property
    def item_sequences(self) -> Sequences:
        """Each item as one sequence: for full attention."""
        return item_sequences(self.lengths, self.coords.device)

    def windows(self, size: int, shift: int) -> Sequences:
        """Cells of one item in one cube of `size` cells, the cubes moved back by `shift`."""
        if (size, shift) not in self._windows:
            self._windows[size, shift] = window_sequences(self.coords, self.items, size, shift)
        return self._windows[size, shift]

    def positions(self, channels: int) -> Tensor:
        """(M, channels) float32 sinusoids of the cells' coordinates."""
        if channels not in self._positions:
            self._positions[channels] = absolute_positions(self.coords, channels)
        return self._positions[channels]

    def spread(self, values: Tensor) -> Tensor:
        """Values of items (S, C) -> of their cells (M, C); (1, C) for all items stays as it is."""
        return values if len(values) == 1 else values[self.items]


class SubdividedGeometry(CellGeometry):
    """The halves of the cells of a parent, whose neighbours follow from the parent's."""

    def __init__(self, parent: CellGeometry) -> None:
        lengths = tuple(8 * length for length in parent.lengths)
        super().__init__(subdivide_coords(parent.coords), lengths)
        self.parent = parent

    @cached_property
    def pairs(self) -> KernelPairs:
        """Which cells lie around which."""
        return subdivide_pairs(self.parent.pairs)
