"""The published schedule, with all its repeated work: what the shortcuts are compared with.

Written apart from the stages on purpose: plain loops, slots in the release's order, two calls for
guidance, zeros as the unconditional context, scene slots kept until they are thrown away.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from iscene_ros.model.attention import SceneRows
from iscene_ros.model.sampler import SamplerOptions
from iscene_ros.model.scene_flow import SceneFlowTransformer


def paired_context(context: Tensor) -> Tensor:
    """(1 + N, M, C), the scene's first -> (2 N, M, C): instance 0, scene, instance 1, scene, ..."""
    scene = context[:1].expand_as(context[1:])
    return torch.stack([context[1:], scene], dim=1).flatten(0, 1)


def euler(
    velocity: Callable[[Tensor, float, bool], Tensor], x: Tensor, options: SamplerOptions
) -> Tensor:
    """Steps of the release; `velocity` is asked with and without condition."""
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
    context: Tensor,  # [2 N, M, C_cond] in the order of `paired_context`
    seed: int,
    options: SamplerOptions,
) -> Tensor:
    """Structure latents (2 N, C, T, T, T) of instance 0, scene, instance 1, scene, ..."""
    slots, side, channels = len(context), flow.config.tokens_per_side, flow.config.in_channels
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, channels, side, side, side, generator=generator)
    x = noise.repeat(slots // 2, 1, 1, 1, 1).to(context.device, flow.out_layer.weight.dtype)
    numbers = torch.arange(slots, device=context.device)
    pairs = SceneRows(numbers[1::2], numbers[::2], numbers[1::2])
    nothing = torch.zeros_like(context)

    def velocity(x: Tensor, time: float, conditional: bool) -> Tensor:
        times = torch.full((slots,), time, dtype=torch.float64, device=x.device)
        tokens = x.flatten(2).transpose(1, 2)
        seen = context if conditional else nothing
        out, _ = flow(tokens, times, scene=pairs, context=seen)
        return out.transpose(1, 2).unflatten(2, x.shape[2:])

    return euler(velocity, x, options)
