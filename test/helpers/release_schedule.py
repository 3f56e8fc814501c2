"""The published schedule, with all its repeated work: what the shortcuts are compared with.

Written apart from the stages on purpose: plain loops, slots in the release's order, two calls for
guidance, zeros as the unconditional context, scene slots kept until they are thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from iscene_ros.models.iscene.config import SlatNormalization
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.networks.slat_flow import SlatFlow
from iscene_ros.models.iscene.packages.loading import ReleaseModel
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions
from iscene_ros.models.iscene.sparse.tensor import CellGeometry, SparseTensor


def paired(rows: Tensor) -> Tensor:
    """(1 + N, ...), the scene's first -> (2 N, ...): instance 0, scene, instance 1, scene, ...

    Of images or of their tokens.
    """
    scene = rows[:1].expand_as(rows[1:])
    return torch.stack([rows[1:], scene], dim=1).flatten(0, 1)


def euler(
    velocity: Callable[[Tensor, float, bool], Tensor], x: Tensor, options: SamplerOptions
) -> Tensor:
    """Steps of the release; `velocity` is evaluated with and without condition."""
    times = options.times()
    for time, next_time in zip(times, times[1:], strict=False):
        v = velocity(x, time, True)
        if options.guided(time):
            w = options.guidance
            v = (1 + w) * v - w * velocity(x, time, False)
        x = x - (time - next_time) * v
    return x


@torch.inference_mode()
def release_structure(
    flow: SceneFlowTransformer,
    context: Tensor,  # [2 N, M, C_cond] in the order of `paired`
    generator: torch.Generator,
    options: SamplerOptions,
) -> Tensor:
    """Structure latents (2 N, C, T, T, T) of instance 0, scene, instance 1, scene, ..."""
    slots, side, channels = len(context), flow.config.tokens_per_side, flow.config.in_channels
    noise = torch.randn(2, channels, side, side, side, generator=generator)
    x = noise.repeat(slots // 2, 1, 1, 1, 1).to(context.device, flow.out_layer.weight.dtype)
    nothing = torch.zeros_like(context)

    def velocity(x: Tensor, time: float, conditional: bool) -> Tensor:
        times = torch.full((slots,), time, dtype=torch.float64, device=x.device)
        tokens = x.flatten(2).transpose(1, 2)
        seen = context if conditional else nothing
        out = torch.empty_like(tokens)
        out[1::2], memory = flow(tokens[1::2], times[1::2], context=seen[1::2])
        out[::2], _ = flow(tokens[::2], times[::2], scene=memory, context=seen[::2])
        return out.transpose(1, 2).unflatten(2, x.shape[2:])

    return euler(velocity, x, options)


@torch.inference_mode()
def release_slat(
    flow: SlatFlow,
    cells: list[Tensor],  # of each of 2 N slots: [M_i, 3]
    context: Tensor,  # [2 N, M, C_cond]
    generator: torch.Generator,
    options: SamplerOptions,
    normalization: SlatNormalization,
) -> list[SparseTensor]:
    """Structured latents of all 2 N slots."""
    coords, lengths = torch.cat(cells), tuple(len(own) for own in cells)
    noise = torch.randn(len(coords), flow.config.in_channels, generator=generator)
    x = SparseTensor(
        CellGeometry(coords, lengths), noise.to(context.device, flow.out_layer.weight.dtype)
    )
    nothing = torch.zeros_like(context)

    def velocity(features: Tensor, time: float, conditional: bool) -> Tensor:
        times = torch.full((len(cells),), time, dtype=torch.float64, device=features.device)
        return flow(replace(x, features=features), times, context if conditional else nothing)

    latents = euler(velocity, x.features, options)
    mean, std = (latents.new_tensor(t) for t in (normalization.mean, normalization.std))
    return replace(x, features=latents * std + mean).items()


def release_scene(
    networks: ReleaseModel,
    context: Tensor,  # [2 N, M, C_cond]
    seed: int,
) -> list[SparseTensor]:
    """Structured latents of the N instances, those of the scene slots computed and dropped."""
    generator, config = torch.Generator().manual_seed(seed), networks.config
    latents = release_structure(
        networks.structure_flow, context, generator, config.structure_sampler
    )
    with torch.inference_mode():
        logits = networks.structure_decoder(latents)
    cells = [torch.nonzero(one[0] > 0) for one in logits]
    slots = release_slat(
        networks.slat_flow,
        cells,
        context,
        generator,
        config.slat_sampler,
        config.slat_normalization,
    )
    return slots[::2]
