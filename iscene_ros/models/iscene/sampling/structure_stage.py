"""The first stage: the structure latents of all instances of a scene, sampled together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iscene_ros.models.base import Progress
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.sampling.flow_sampler import (
    Guidance,
    SamplerOptions,
    Step,
    StructureNoise,
    integrate,
)
from iscene_ros.models.iscene.sampling.slot_network import Row, SlotNetwork, rows_of


@dataclass(frozen=True)
class StructureOptions:
    """Sampling of the structure of a scene.

    Attributes:
        sampler: the integrator and its guidance.
        max_slots: slots in one call of the network; conditional and unconditional ones count each.
        deep_every: the middle half of the blocks runs in every n-th step; the other steps add its
            last change again. 1 = in every step, exact.

    Raises:
        ValueError: max_slots or deep_every below 1.
    """

    sampler: SamplerOptions = SamplerOptions.release()
    max_slots: int = 64
    deep_every: int = 1

    def __post_init__(self) -> None:
        if self.max_slots < 1:
            raise ValueError(f"max_slots: {self.max_slots}, expected at least 1")
        if self.deep_every < 1:
            raise ValueError(f"deep_every: {self.deep_every}, expected at least 1")


@torch.inference_mode()
def sample_structure(
    flow: SceneFlowTransformer,
    context: Tensor,  # [1 + N, M, C_cond] image tokens, row 0 the scene's
    noise: StructureNoise,
    options: StructureOptions = StructureOptions(),
    progress: Progress | None = None,
) -> Tensor:
    """Sample the structure latents (1 + N, C, T, T, T) of a scene; row 0 is the scene slot's.

    The result is on the device of `context`, in the dtype of the flow's outer layers. `progress`
    is advanced by the slots of each call of the network.

    Raises:
        ValueError: there is no instance.
    """
    if len(context) < 2:
        raise ValueError(f"context: {len(context)} rows, expected the scene's and an instance's")
    start = torch.stack([noise.scene, *[noise.instance] * (len(context) - 1)])
    start = start.to(context.device, flow.out_layer.weight.dtype)
    sampler = _StructureSampler(flow, context, options, progress or Progress(None))
    tokens = integrate(sampler.velocity, start.flatten(2).transpose(1, 2), options.sampler)
    return tokens.transpose(1, 2).unflatten(2, start.shape[2:])


class _StructureSampler:
    """The guided velocity of all slots of one scene."""

    def __init__(
        self,
        flow: SceneFlowTransformer,
        context: Tensor,
        options: StructureOptions,
        progress: Progress,
    ) -> None:
        keep_changes = options.deep_every > 1
        self.network = SlotNetwork(flow, context, options.max_slots, keep_changes, progress)
        self.slots, self.deep_every = len(context), options.deep_every
        self.guidance = Guidance(options.sampler)

    def velocity(self, x: Tensor, step: Step) -> Tensor:
        """Return the velocity (1 + N, L, C) of all slots at a step, from x of the same shape."""
        conditional = rows_of(range(self.slots), conditional=True)
        unconditional = self._unconditional_rows(step)
        reuse = step.index % self.deep_every != 0
        both = self.network.velocities(x, step.time, conditional + unconditional, reuse)
        v, v_u = both.split([len(conditional), len(unconditional)])
        if step.fresh and len(v_u) < len(v):
            v_u = self._shared_by_instances(v_u)
        return self.guidance(step, v, v_u)

    def _unconditional_rows(self, step: Step) -> list[Row]:
        """Return all slots; in the first step one instance, as all start from the same noise."""
        if not step.fresh:
            return []
        return rows_of(range(2 if step.index == 0 else self.slots), conditional=False)

    def _shared_by_instances(self, v_u: Tensor) -> Tensor:
        """Repeat the last row, the first instance's, for every instance."""
        others = rows_of(range(2, self.slots), conditional=False)
        self.network.copy_change(Row(1, False), others)
        return torch.cat([v_u[:1], v_u[1:].expand(self.slots - 1, -1, -1)])
