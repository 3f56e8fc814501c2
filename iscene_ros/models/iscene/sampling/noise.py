"""The noise that the release would draw: one stream of numbers from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.models.iscene.sampling.flow_sampler import seeded_noise
from iscene_ros.models.iscene.scene_flow_config import SceneFlowConfig


@dataclass(frozen=True)
class StructureNoise:
    """Where the slots of a scene start.

    Attributes:
        instance: (C, T, T, T) float32, the same for every instance.
        scene: (C, T, T, T) float32.
    """

    instance: Tensor
    scene: Tensor


class ReleaseNoise:
    """Draws what the release draws after `torch.manual_seed(seed)`, in its order."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def structure(self, config: SceneFlowConfig) -> StructureNoise:
        """The first draw; on the CPU."""
        side = config.tokens_per_side
        shape = (2, config.in_channels, side, side, side)
        return StructureNoise(*torch.randn(shape, generator=self._generator))

    def slat(
        self,
        instance_cells: tuple[int, ...],  # occupied cells of each of N instances
        scene_cells: int,
        channels: int,
    ) -> list[Tensor]:
        """The second draw: the rows (M_i, C) of each instance.

        The release draws instance 0, scene, instance 1, scene, ... at once; the rows of scene slots
        are dropped here.
        """
        total = sum(instance_cells) + len(instance_cells) * scene_cells
        drawn = torch.randn(total, channels, generator=self._generator)
        slots = drawn.split([n for cells in instance_cells for n in (cells, scene_cells)])
        return list(slots[::2])


def slat_noise_of(instance_cells: tuple[int, ...], channels: int, seed: int) -> list[Tensor]:
    """Noise (M_i, C) of each instance that depends on the seed and its number alone."""
    return [
        seeded_noise((cells, channels), seed, number)
        for number, cells in enumerate(instance_cells, start=1)
    ]
