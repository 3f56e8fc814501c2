"""The structure flow on the slots of a scene, in batches of bounded size.

Slot 0 is the scene, slots 1 to N are its instances; row i of the context belongs to slot i. The
release computes one scene slot for each instance; all of them are equal, so there is one here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from iscene_ros.models.base import Progress
from iscene_ros.models.iscene.networks.attention import SceneRows
from iscene_ros.models.iscene.networks.scene_flow import (
    CachedContext,
    SceneFlowTransformer,
    SceneMemory,
)
from iscene_ros.models.iscene.scene_flow_config import SceneFlowConfig


@dataclass(frozen=True)
class Row:
    """One slot in one batch.

    Attributes:
        slot: number of the slot; 0 is the scene.
        conditional: whether the slot attends to its image tokens.
    """

    slot: int
    conditional: bool

    @property
    def is_scene(self) -> bool:
        """Whether this is the scene slot."""
        return self.slot == 0

    @property
    def scene(self) -> Row:
        """The scene row that an instance attends to: the one under the same condition."""
        return Row(0, self.conditional)


def rows_of(slots: Sequence[int], conditional: bool) -> list[Row]:
    """Return the rows of all these slots under one condition."""
    return [Row(slot, conditional) for slot in slots]


class SlotNetwork:
    """Velocities of slots at one time after another.

    The rows of a call are ordered: first all conditional rows, then the unconditional ones.

    Args:
        flow: the structure flow.
        context: (1 + N, M, C_cond) image tokens, row 0 those of the scene.
        max_slots: rows computed in one call of the flow.
        keep_changes: whether to keep what the middle blocks change, for calls with `reuse`.
        progress: is advanced by the rows of each call.
    """

    def __init__(
        self,
        flow: SceneFlowTransformer,
        context: Tensor,
        max_slots: int,
        keep_changes: bool,
        progress: Progress,
    ) -> None:
        self.flow, self.max_slots, self.progress = flow, max_slots, progress
        self._keep_changes = keep_changes
        self._context = flow.cached_context(context)
        self._changes: dict[Row, Tensor] = {}

    def velocities(
        self,
        x: Tensor,  # [1 + N, L, C_in]
        time: float,
        rows: Sequence[Row],
        reuse: bool = False,
    ) -> Tensor:
        """Return (rows, L, C_out); `reuse` adds the last change of the middle blocks again."""
        # The release multiplies the time by 1000 in double precision before it rounds it.
        time = torch.tensor([time], dtype=torch.float64, device=x.device)
        call = partial(self._call, x, self.flow.embed_time(time), reuse=reuse)
        if reuse:
            return torch.cat([call(part)[0] for part in self._parts(rows)])
        if len(rows) <= self.max_slots:
            return call(rows, _scene_rows(rows, x.device))[0]
        return self._in_parts(call, rows, x.device)

    def copy_change(self, row: Row, others: Sequence[Row]) -> None:
        """Use the change of the middle blocks in `row` for `others`, which have equal tokens."""
        if row in self._changes:
            self._changes.update(dict.fromkeys(others, self._changes[row]))

    def _in_parts(
        self,
        call: Callable[..., tuple[Tensor, SceneMemory]],
        rows: Sequence[Row],
        device: torch.device,
    ) -> Tensor:
        """Compute scenes first; instances then attend to the kept keys and values of scenes."""
        scenes = [row for row in rows if row.is_scene]
        instances = [row for row in rows if not row.is_scene]
        computed = [call(part) for part in self._parts(scenes)]
        outputs = [output for output, _ in computed]
        memory = SceneMemory.joined([memory for _, memory in computed])
        for part in self._parts(instances):
            index = torch.tensor([scenes.index(row.scene) for row in part], device=device)
            outputs.append(call(part, memory.rows(index))[0])
        done = [*scenes, *instances]
        return torch.cat(outputs)[[done.index(row) for row in rows]]

    def _parts(self, rows: Sequence[Row]) -> list[Sequence[Row]]:
        return [rows[i : i + self.max_slots] for i in range(0, len(rows), self.max_slots)]

    def _call(
        self,
        x: Tensor,
        time_embedding: Tensor,
        rows: Sequence[Row],
        scene: SceneMemory | SceneRows | None = None,
        *,
        reuse: bool,
    ) -> tuple[Tensor, SceneMemory]:
        """Compute these rows in one batch."""
        before, middle, after = block_thirds(self.flow.config)
        rest = (time_embedding, scene, self._context_of(rows, x.device))
        h = self.flow.embed(x[_index([row.slot for row in rows], x.device)])
        h, memory = self.flow.run(before, h, *rest)
        if reuse:
            h = h + torch.stack([self._changes[row] for row in rows])
        else:
            entered = h
            h, memory = self.flow.run(middle, h, *rest)
            if self._keep_changes:
                self._changes.update(zip(rows, h - entered, strict=True))
        h, _ = self.flow.run(after, h, *rest)
        self.progress.network(len(rows))
        return self.flow.project(h), memory

    def _context_of(self, rows: Sequence[Row], device: torch.device) -> CachedContext | None:
        """Return the context of the conditional rows; the flow treats the others as zeros."""
        slots = [row.slot for row in rows if row.conditional]
        return self._context.rows(_index(slots, device)) if slots else None


def block_thirds(config: SceneFlowConfig) -> tuple[range, range, range]:
    """Return the blocks before, in and after the middle.

    The middle is half of all blocks, and contains those with scene context.
    """
    quarter, scene = config.num_blocks // 4, config.scene_context_range
    start = min(quarter, scene.start)
    stop = max(config.num_blocks - quarter, scene.stop)
    return range(start), range(start, stop), range(stop, config.num_blocks)


def _scene_rows(rows: Sequence[Row], device: torch.device) -> SceneRows:
    """Return which row attends to which in a batch that holds all scenes of its instances."""
    position = {row: i for i, row in enumerate(rows)}
    scenes = [i for i, row in enumerate(rows) if row.is_scene]
    instances = [i for i, row in enumerate(rows) if not row.is_scene]
    scene_of = [position[rows[i].scene] for i in instances]
    return SceneRows(*(torch.tensor(t, device=device) for t in (scenes, instances, scene_of)))


def _index(numbers: Sequence[int], device: torch.device) -> Tensor | slice:
    """Return a slice where the numbers are consecutive, which copies nothing, else int64."""
    if list(numbers) == list(range(numbers[0], numbers[0] + len(numbers))):
        return slice(numbers[0], numbers[0] + len(numbers))
    return torch.tensor(numbers, device=device)
