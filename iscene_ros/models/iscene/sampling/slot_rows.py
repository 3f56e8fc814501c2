"""Which slots a call of the structure flow computes, with or without their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.models.iscene.networks.attention import SceneRows


@dataclass(frozen=True)
class Row:
    """One slot in one batch.

    Attributes:
        slot: its number; scene slots come first.
        conditional: whether it sees its picture.
    """

    slot: int
    conditional: bool


@dataclass(frozen=True)
class Slots:
    """The slots of a scene: G scene slots, then N instances.

    G is 1, or N where each instance has a scene slot of its own as in the release.
    """

    scenes: int
    instances: int

    def __len__(self) -> int:
        return self.scenes + self.instances

    def is_scene(self, row: Row) -> bool:
        """Whether others look at it."""
        return row.slot < self.scenes

    def scene_row(self, row: Row) -> Row:
        """The scene that an instance looks at: under the same condition."""
        scene = row.slot - self.scenes if self.scenes > 1 else 0
        return Row(scene, row.conditional)

    def picture(self, slot: int) -> int:
        """Row of a slot's picture: 0 the scene's, then one an instance."""
        return 0 if slot < self.scenes else slot - self.scenes + 1

    def together(self, rows: Sequence[Row], device: torch.device) -> SceneRows:
        """Who looks at whom in a batch that holds all scenes of its instances."""
        place = {row: i for i, row in enumerate(rows)}
        scenes = [i for i, row in enumerate(rows) if self.is_scene(row)]
        instances = [i for i, row in enumerate(rows) if not self.is_scene(row)]
        scene_of = [place[self.scene_row(rows[i])] for i in instances]
        return SceneRows(*(torch.tensor(t, device=device) for t in (scenes, instances, scene_of)))


def rows_of(slots: Sequence[int], conditional: bool) -> list[Row]:
    """All of these slots under one condition."""
    return [Row(slot, conditional) for slot in slots]


def as_index(numbers: Sequence[int], device: torch.device) -> Tensor | slice:
    """A slice where the numbers are consecutive, which copies nothing, else int64."""
    if list(numbers) == list(range(numbers[0], numbers[0] + len(numbers))):
        return slice(numbers[0], numbers[0] + len(numbers))
    return torch.tensor(numbers, device=device)
