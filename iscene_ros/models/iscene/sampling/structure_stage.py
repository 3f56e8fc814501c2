"""The first stage: the structure latents of all instances of a scene, step by step together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.sampling.compiled import compile_blocks
from iscene_ros.models.iscene.sampling.flow_sampler import Guidance, SamplerOptions, Step, integrate
from iscene_ros.models.iscene.sampling.noise import StructureNoise
from iscene_ros.models.iscene.sampling.progress import StageProgress
from iscene_ros.models.iscene.sampling.shortcuts import Shortcuts
from iscene_ros.models.iscene.sampling.slot_network import (
    SlotNetwork,
    SlotNetworkOptions,
    slots_within,
)
from iscene_ros.models.iscene.sampling.slot_rows import Row, Slots, rows_of


@dataclass(frozen=True)
class StructureOptions:
    """How the structure of a scene is sampled.

    Attributes:
        sampler: the integrator and its guidance.
        shortcuts: what is computed once.
        max_slots: slots in one call of the network, those with and without picture counted each.
        memory_budget: bytes for tokens and cached contexts beside the weights; bounds the slots
            further, by the estimate of `slots_within`.
        deep_every: the middle half of the blocks runs at every so many steps; between them what it
            changed the last time is added again. 1 = always, exact.
        compile_mode: compile the blocks first, see `compile_blocks`; None = leave them.
    """

    sampler: SamplerOptions = SamplerOptions.release()
    shortcuts: Shortcuts = Shortcuts()
    max_slots: int = 64
    memory_budget: int | None = None
    deep_every: int = 1
    compile_mode: str | None = None

    def __post_init__(self) -> None:
        if self.max_slots < 1:
            raise ValueError(f"max_slots: {self.max_slots}, expected at least 1")
        if self.deep_every < 1:
            raise ValueError(f"deep_every: {self.deep_every}, expected at least 1")


@torch.inference_mode()
def sample_structure(
    flow: SceneFlowTransformer,
    context: Tensor,  # [1 + N, M, C_cond] picture tokens, row 0 the scene's
    noise: StructureNoise,
    options: StructureOptions = StructureOptions(),
    progress: StageProgress | None = None,
) -> Tensor:
    """Sample the structure latents (1 + N, C, T, T, T) of a scene; row 0 is the scene slot's.

    On the device of `context`, in the dtype of the flow's outer layers.

    Raises:
        ValueError: no instance.
        StoppedError: `progress` said so.
    """
    instances = len(context) - 1
    if instances < 1:
        raise ValueError(f"context: {len(context)} rows, expected the scene's and an instance's")
    if options.compile_mode is not None:
        compile_blocks(flow, options.compile_mode)
    slots = Slots(1 if options.shortcuts.scene_once else instances, instances)
    start = torch.stack([noise.scene] * slots.scenes + [noise.instance] * instances)
    start = start.to(context.device, flow.out_layer.weight.dtype)
    sampler = _StructureSampler(flow, context, slots, options, progress or StageProgress())
    tokens = integrate(sampler.velocity, start.flatten(2).transpose(1, 2), options.sampler)
    latents = tokens.transpose(1, 2).unflatten(2, start.shape[2:])
    return torch.cat([latents[:1], latents[slots.scenes :]])


class _StructureSampler:
    """The guided velocity of all slots of one scene."""

    def __init__(
        self,
        flow: SceneFlowTransformer,
        context: Tensor,
        slots: Slots,
        options: StructureOptions,
        progress: StageProgress,
    ) -> None:
        max_slots = options.max_slots
        if options.memory_budget is not None:
            fitting = slots_within(options.memory_budget, flow, *context.shape[:2])
            max_slots = min(max_slots, fitting)
        network = SlotNetworkOptions(options.shortcuts, max_slots, options.deep_every > 1)
        self.network = SlotNetwork(flow, context, slots, network, progress)
        self.slots, self.options = slots, options
        self.guidance = Guidance(options.sampler)

    def velocity(self, x: Tensor, step: Step) -> Tensor:
        """(slots, L, C) of all slots at a step."""
        conditional = rows_of(range(len(self.slots)), conditional=True)
        unconditional = self._unconditional_rows(step)
        if self.options.shortcuts.one_batch:
            both = self._network(x, step, conditional + unconditional)
            v, v_u = both.split([len(conditional), len(unconditional)])
        else:
            v = self._network(x, step, conditional)
            v_u = self._network(x, step, unconditional) if unconditional else None
        if step.fresh and len(v_u) < len(v):
            v_u = self._shared_by_instances(v_u)
        return self.guidance(step, v, v_u)

    def _unconditional_rows(self, step: Step) -> list[Row]:
        """All slots; in the first step only one of the instances, which are all the same noise."""
        if not step.fresh:
            return []
        one = step.index == 0 and self.options.shortcuts.first_unconditional_once
        count = self.slots.scenes + 1 if one else len(self.slots)
        return rows_of(range(count), conditional=False)

    def _network(self, x: Tensor, step: Step, rows: list[Row]) -> Tensor:
        reuse = step.index % self.options.deep_every != 0
        return self.network.velocities(x, step.time, rows, reuse)

    def _shared_by_instances(self, v_u: Tensor) -> Tensor:
        """The last row, the first instance's, for every instance."""
        scenes, instances = self.slots.scenes, self.slots.instances
        others = rows_of(range(scenes + 1, len(self.slots)), conditional=False)
        self.network.repeat(Row(scenes, False), others)
        return torch.cat([v_u[:scenes], v_u[scenes:].expand(instances, -1, -1)])
