"""Features on the occupied cells of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from iscene_ros.models.iscene.sparse.geometry import CellGeometry


class SparseTensor:
    """Features of cells; tensors on the same cells share one geometry.

    Attributes:
        features: (M, C).
        geometry: the M cells and what is known of them.
    """

    def __init__(
        self,
        coords: Tensor,  # [M, 3] int64 x, y, z
        features: Tensor,  # [M, C]
        lengths: tuple[int, ...],  # cells of each item of the batch, whose sum is M
    ) -> None:
        self.geometry = CellGeometry(coords, lengths)
        self.features = self._checked(features)

    @classmethod
    def on(cls, geometry: CellGeometry, features: Tensor) -> SparseTensor:
        """Features (M, C) on known cells.

        Raises:
            ValueError: another number of rows than cells.
        """
        tensor = cls.__new__(cls)
        tensor.geometry = geometry
        tensor.features = tensor._checked(features)
        return tensor

    @property
    def coords(self) -> Tensor:
        """(M, 3) int64 cells x, y, z."""
        return self.geometry.coords

    @property
    def lengths(self) -> tuple[int, ...]:
        """Cells of each item."""
        return self.geometry.lengths

    def replace(self, features: Tensor) -> SparseTensor:
        """Other features on the same cells."""
        return SparseTensor.on(self.geometry, features)

    def items(self) -> list[SparseTensor]:
        """Each item by itself."""
        parts = zip(self.coords.split(self.lengths), self.features.split(self.lengths), strict=True)
        return [SparseTensor(coords, features, (len(coords),)) for coords, features in parts]

    @classmethod
    def joined(cls, tensors: list[SparseTensor]) -> SparseTensor:
        """The items of all, one after another."""
        return cls(
            torch.cat([t.coords for t in tensors]),
            torch.cat([t.features for t in tensors]),
            tuple(length for t in tensors for length in t.lengths),
        )

    def _checked(self, features: Tensor) -> Tensor:
        if features.ndim != 2 or len(features) != len(self.geometry):
            raise ValueError(
                f"features must be (M, C) for {len(self.geometry)} cells, these are "
                f"{tuple(features.shape)}"
            )
        return features
