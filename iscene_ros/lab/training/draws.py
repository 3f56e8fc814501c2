"""The random numbers of a training step: they depend on the views alone, not on the batch.

So a run gives the same step whether one process takes a batch or several take a part of it each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iscene_ros.lab.training.samples import CropSamples


@dataclass(frozen=True)
class Draws:
    """Random numbers of S slots; what they decide is up to the objective.

    Attributes:
        normal: (S,) float32, standard normal.
        choice, hiding: (S,) float32, uniform in [0, 1).
        noise: (S, R, R, R) float32, standard normal.
    """

    normal: Tensor
    choice: Tensor
    hiding: Tensor
    noise: Tensor

    @classmethod
    def of_slots(cls, count: int, resolution: int, generator: torch.Generator) -> Draws:
        """Draw for so many slots."""
        uniform = torch.rand((2, count), generator=generator)
        return cls(
            torch.randn(count, generator=generator),
            uniform[0],
            uniform[1],
            torch.randn((count, *(resolution,) * 3), generator=generator),
        )

    def rows(self, rows: slice) -> Draws:
        """Those of some slots."""
        return Draws(self.normal[rows], self.choice[rows], self.hiding[rows], self.noise[rows])

    def to(self, device: torch.device) -> Draws:
        """The same on a device."""
        moved = (self.normal, self.choice, self.hiding, self.noise)
        return Draws(*(part.to(device, non_blocking=True) for part in moved))

    @classmethod
    def joined(cls, parts: Sequence[Draws]) -> Draws:
        """Those of all slots, part after part."""
        return cls(
            torch.cat([p.normal for p in parts]),
            torch.cat([p.choice for p in parts]),
            torch.cat([p.hiding for p in parts]),
            torch.cat([p.noise for p in parts]),
        )


@dataclass(frozen=True)
class BatchDraws:
    """Random numbers of a batch of views.

    Attributes:
        mirror: (V,) bool, which of the views are reflected.
        slots: in the order of `make_batch`, scene slots first.
    """

    mirror: np.ndarray
    slots: Draws


def batch_draws(
    views: Sequence[CropSamples], keys: Sequence[tuple[int, int]], seed: int
) -> BatchDraws:
    """Draw for views; `keys` tells them apart: where in the run's order of shards, which of it."""
    mirror, drawn = [], []
    for view, key in zip(views, keys, strict=True):
        numbers = np.random.SeedSequence([seed, *key]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(numbers[0]) >> 1)
        mirror.append(bool(torch.rand((), generator=generator) < 0.5))
        count, resolution = len(view.target), view.target.shape[-1]
        drawn.append(Draws.of_slots(count, resolution, generator))
    scenes = 1 if views[0].has_scene_slot else 0
    first = [d.rows(slice(0, scenes)) for d in drawn]
    rest = [d.rows(slice(scenes, None)) for d in drawn]
    return BatchDraws(np.array(mirror), Draws.joined(first + rest))
