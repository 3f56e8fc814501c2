"""The first stage: the structure latents of all instances of a scene, sampled together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from iscene_ros.models.base import Progress
from iscene_ros.models.iscene.config import SceneFlowConfig
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer, SceneMemory
from iscene_ros.models.iscene.sampling.flow_sampler import Guidance, SamplerOptions, Step, integrate


@dataclass(frozen=True)
class StructureOptions:
    """Sampling of the structure of a scene.

    Attributes:
        sampler: the integrator and its guidance.
        max_slots: slots in one call of the network; conditional and unconditional ones count each.
        deep_every: the middle half of the blocks runs in every n-th step; the other steps add its
            last change again. 1 = in every step, exact.
    """

    sampler: SamplerOptions
    max_slots: int = 64
    deep_every: int = 1


@torch.inference_mode()
def sample_structure(
    flow: SceneFlowTransformer,
    context: Tensor,  # [1 + N, M, C_cond] image tokens, row 0 the scene's
    noise: Tensor,  # [2, C, T, T, T] of all instances, and of the scene
    options: StructureOptions,
    progress: Progress | None = None,
) -> Tensor:
    """Sample the structure latents (1 + N, C, T, T, T) of a scene; row 0 is the scene slot's.

    The result is on the device of `context`, in the dtype of the flow's outer layers. `progress`
    is advanced by the slots of each call of the network.
    """
    start = torch.stack([noise[1], *[noise[0]] * (len(context) - 1)])
    start = start.to(context.device, flow.out_layer.weight.dtype)
    sampler = _StructureSampler(flow, context, options, progress or Progress(None))
    tokens = integrate(sampler.velocity, start.flatten(2).transpose(1, 2), options.sampler)
    return tokens.transpose(1, 2).unflatten(2, start.shape[2:])


@dataclass(frozen=True)
class Row:
    """One slot in one batch.

    Attributes:
        slot: number of the slot; 0 is the scene, 1 to N are its instances.
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


class _StructureSampler:
    """The guided velocity of all slots of one scene.

    The release computes one scene slot for each instance; all of them are equal, so there is one
    here. In each batch all conditional rows come first, then the unconditional ones.
    """

    def __init__(
        self,
        flow: SceneFlowTransformer,
        context: Tensor,
        options: StructureOptions,
        progress: Progress,
    ) -> None:
        self.flow, self.options, self.progress = flow, options, progress
        self.slots, self.guidance = len(context), Guidance(options.sampler)
        self._context = flow.cached_context(context)
        # What the middle blocks changed in their last run, for steps that do not run them.
        self._changes: dict[Row, Tensor] = {}

    def velocity(self, x: Tensor, step: Step) -> Tensor:
        """Return the velocity (1 + N, L, C) of all slots at a step, from x of the same shape."""
        conditional, unconditional = (
            [Row(slot, condition) for slot in range(self.slots)] for condition in (True, False)
        )
        if not step.fresh:
            return self.guidance(step, self._velocities(x, step, conditional), None)
        # All instances start from the same noise: without context one stands for all of them.
        is_first = step.index == 0
        computed = unconditional[:2] if is_first else unconditional
        both = self._velocities(x, step, conditional + computed)
        v, v_u = both.split([self.slots, len(computed)])
        if is_first:
            v_u = torch.cat([v_u[:1], v_u[1:].expand(self.slots - 1, -1, -1)])
            if self._changes:
                change = self._changes[unconditional[1]]
                self._changes.update(dict.fromkeys(unconditional[2:], change))
        return self.guidance(step, v, v_u)

    def _velocities(self, x: Tensor, step: Step, rows: Sequence[Row]) -> Tensor:
        """Return (rows, L, C_out)."""
        reuse = step.index % self.options.deep_every != 0
        # The release multiplies the time by 1000 in double precision before it rounds it.
        time = torch.tensor([step.time], dtype=torch.float64, device=x.device)
        call = partial(self._call, x, self.flow.embed_time(time), reuse=reuse)
        if reuse:
            return torch.cat([call(part)[0] for part in self._parts(rows)])
        # Scenes come first; instances then attend to the kept keys and values of scenes.
        scenes = [row for row in rows if row.is_scene]
        instances = [row for row in rows if not row.is_scene]
        computed = [call(part) for part in self._parts(scenes)]
        outputs = [output for output, _ in computed]
        memory = SceneMemory.joined([memory for _, memory in computed])
        for part in self._parts(instances):
            index = torch.tensor([scenes.index(row.scene) for row in part], device=x.device)
            outputs.append(call(part, memory.rows(index))[0])
        done = [*scenes, *instances]
        return torch.cat(outputs)[[done.index(row) for row in rows]]

    def _parts(self, rows: Sequence[Row]) -> list[Sequence[Row]]:
        at_once = self.options.max_slots
        return [rows[i : i + at_once] for i in range(0, len(rows), at_once)]

    def _call(
        self,
        x: Tensor,
        time_embedding: Tensor,
        rows: Sequence[Row],
        scene: SceneMemory | None = None,
        *,
        reuse: bool,
    ) -> tuple[Tensor, SceneMemory]:
        """Compute these rows in one batch."""
        before, middle, after = block_thirds(self.flow.config)
        # The flow treats the slots after those with context as unconditional.
        seeing = [row.slot for row in rows if row.conditional]
        context = self._context.rows(_index(seeing, x.device)) if seeing else None
        rest = (time_embedding, scene, context)
        h = self.flow.embed(x[_index([row.slot for row in rows], x.device)])
        h, memory = self.flow.run(before, h, *rest)
        if reuse:
            h = h + torch.stack([self._changes[row] for row in rows])
        else:
            entered = h
            h, memory = self.flow.run(middle, h, *rest)
            if self.options.deep_every > 1:
                self._changes.update(zip(rows, h - entered, strict=True))
        h, _ = self.flow.run(after, h, *rest)
        self.progress.advance(len(rows))
        return self.flow.project(h), memory


def block_thirds(config: SceneFlowConfig) -> tuple[range, range, range]:
    """Return the blocks before, in and after the middle.

    The middle is half of all blocks, and contains those with scene context.
    """
    quarter, scene = config.num_blocks // 4, config.scene_context_range
    start = min(quarter, scene.start)
    stop = max(config.num_blocks - quarter, scene.stop)
    return range(start), range(start, stop), range(stop, config.num_blocks)


def _index(numbers: Sequence[int], device: torch.device) -> Tensor | slice:
    """Return a slice where the numbers are consecutive, which copies nothing, else int64."""
    if list(numbers) == list(range(numbers[0], numbers[0] + len(numbers))):
        return slice(numbers[0], numbers[0] + len(numbers))
    return torch.tensor(numbers, device=device)
