"""The structure flow on rows of slots: within a budget, with what can be kept between steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from iscene_ros.models.iscene.networks.attention import SceneRows
from iscene_ros.models.iscene.networks.scene_flow import (
    CachedContext,
    SceneFlowTransformer,
    SceneMemory,
)
from iscene_ros.models.iscene.sampling.progress import StageProgress
from iscene_ros.models.iscene.sampling.shortcuts import Shortcuts
from iscene_ros.models.iscene.sampling.slot_rows import Row, Slots, as_index
from iscene_ros.models.iscene.scene_flow_config import SceneFlowConfig

# Tensors as wide as the tokens that live at once within a block, counted in half precision at the
# published size: 21 with all slots in one call, 28 in parts, where scene slots are remembered.
LIVE_TENSORS = 28


@dataclass(frozen=True)
class SlotNetworkOptions:
    """How slots are computed.

    Attributes:
        shortcuts: what is computed once.
        max_slots: slots at once, those with and without picture counted each.
        remember_changes: keep what the middle blocks change, for calls that reuse it.
    """

    shortcuts: Shortcuts = Shortcuts()
    max_slots: int = 64
    remember_changes: bool = False


class SlotNetwork:
    """Velocities of slots at one time after another.

    Rows of one call hold first those that see their picture, then those that do not.
    """

    def __init__(
        self,
        flow: SceneFlowTransformer,
        context: Tensor,  # [1 + N, M, C_cond] picture tokens, row 0 the scene's
        slots: Slots,
        options: SlotNetworkOptions,
        progress: StageProgress,
    ) -> None:
        self.flow, self.slots, self.options, self.progress = flow, slots, options, progress
        self._zeros = len(context)
        if not options.shortcuts.constant_unconditional:
            context = torch.cat([context, torch.zeros_like(context[:1])])
        cached = options.shortcuts.cached_context
        self._context = flow.cached_context(context) if cached else context
        self._changes: dict[Row, Tensor] = {}

    def velocities(
        self,
        x: Tensor,  # [slots, L, C_in]
        time: float,
        rows: Sequence[Row],
        reuse: bool = False,
    ) -> Tensor:
        """(rows, L, C_out); `reuse` repeats what the middle blocks changed the last time."""
        # The release multiplies the time by 1000 in double precision before it rounds it.
        time = torch.tensor([time], dtype=torch.float64, device=x.device)
        call = partial(self._call, x, self.flow.embed_time(time), reuse=reuse)
        if reuse:
            return torch.cat([call(part)[0] for part in self._parts(rows)])
        if len(rows) <= self.options.max_slots:
            return call(rows, self.slots.together(rows, x.device))[0]
        return self._in_parts(call, rows, x.device)

    def repeat(self, row: Row, others: Sequence[Row]) -> None:
        """Let the middle blocks have changed `others` as they changed `row`."""
        if row in self._changes:
            self._changes.update(dict.fromkeys(others, self._changes[row]))

    def _in_parts(
        self,
        call: Callable[..., tuple[Tensor, SceneMemory]],
        rows: Sequence[Row],
        device: torch.device,
    ) -> Tensor:
        """Scenes first; instances then look at what is remembered of them."""
        scenes = [row for row in rows if self.slots.is_scene(row)]
        instances = [row for row in rows if not self.slots.is_scene(row)]
        computed = [call(part) for part in self._parts(scenes)]
        outputs = [output for output, _ in computed]
        memory = SceneMemory.joined([memory for _, memory in computed])
        for part in self._parts(instances):
            seen = [scenes.index(self.slots.scene_row(row)) for row in part]
            outputs.append(call(part, memory.rows(torch.tensor(seen, device=device)))[0])
        done = [*scenes, *instances]
        return torch.cat(outputs)[[done.index(row) for row in rows]]

    def _parts(self, rows: Sequence[Row]) -> list[Sequence[Row]]:
        size = self.options.max_slots
        return [rows[i : i + size] for i in range(0, len(rows), size)]

    def _call(
        self,
        x: Tensor,
        time_embedding: Tensor,
        rows: Sequence[Row],
        scene: SceneMemory | SceneRows | None = None,
        *,
        reuse: bool,
    ) -> tuple[Tensor, SceneMemory]:
        """Compute these rows at once."""
        before, middle, after = block_thirds(self.flow.config)
        rest = (time_embedding, scene, self._context_of(rows, x.device))
        h = self.flow.embed(x[as_index([row.slot for row in rows], x.device)])
        h, memory = self.flow.run(before, h, *rest)
        if reuse:
            h = h + torch.stack([self._changes[row] for row in rows])
        else:
            entered = h
            h, memory = self.flow.run(middle, h, *rest)
            if self.options.remember_changes:
                self._changes.update(zip(rows, h - entered, strict=True))
        h, _ = self.flow.run(after, h, *rest)
        self.progress.done(len(rows))
        return self.flow.project(h), memory

    def _context_of(
        self, rows: Sequence[Row], device: torch.device
    ) -> Tensor | CachedContext | None:
        """Of the rows that see a picture, and of the others where zeros are looked at."""
        pictures = [self.slots.picture(row.slot) for row in rows if row.conditional]
        if not self.options.shortcuts.constant_unconditional:
            pictures += [self._zeros] * (len(rows) - len(pictures))
        if not pictures:
            return None
        index = as_index(pictures, device)
        whole = self._context
        return whole[index] if isinstance(whole, Tensor) else whole.rows(index)


def block_thirds(config: SceneFlowConfig) -> tuple[range, range, range]:
    """Block numbers before, in and after the middle: half of all, scene context among them."""
    quarter, scene = config.num_blocks // 4, config.scene_context_range
    start = min(quarter, scene.start)
    stop = max(config.num_blocks - quarter, scene.stop)
    return range(start), range(start, stop), range(stop, config.num_blocks)


def slots_within(budget: int, flow: SceneFlowTransformer, pictures: int, tokens: int) -> int:
    """How many slots fit into `budget` bytes beside the weights; an estimate, at least 1.

    Keys and values of `pictures` pictures of so many `tokens` come first, then `LIVE_TENSORS` a
    slot.
    """
    config, size = flow.config, flow.blocks[0].mlp.mlp[0].weight.element_size()
    contexts = 2 * config.num_blocks * pictures * tokens * config.model_channels * size
    slot = LIVE_TENSORS * config.tokens_per_side**3 * config.model_channels * size
    return max(1, (budget - contexts) // slot)
