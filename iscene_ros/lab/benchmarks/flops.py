"""Counting floating-point operations at full size without computing: on the meta device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.scene_flow_config import SceneFlowConfig


def count(function: Callable[[], Any]) -> int:
    """Operations of the matrix products, convolutions and attention in a call; 2 a product.

    Attention runs as plain products, which the counter knows on every device.
    """
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode(), sdpa_kernel(SDPBackend.MATH):
        function()
    return counter.get_total_flops()


def on_meta(kind: Callable[..., nn.Module], *arguments: Any) -> nn.Module:
    """A network that has shapes and no numbers."""
    with torch.device("meta"):
        return kind(*arguments).eval().requires_grad_(False)


class CountedFlow(SceneFlowTransformer):
    """The structure flow on the meta device, which adds up the work of its layers.

    A layer like an earlier one costs the same, so it is not run again: whole schedules of many
    steps are counted in seconds.

    Attributes:
        flops: of all calls so far.
    """

    def __init__(self, config: SceneFlowConfig) -> None:
        with torch.device("meta"):
            super().__init__(config)
        self.eval().requires_grad_(False)
        self.flops = 0
        self._known: dict[Any, tuple[Any, int]] = {}
        for kind in ("embed", "embed_time", "project", "cached_context"):
            setattr(self, kind, partial(self._counted, kind, getattr(self, kind)))
        for block in self.blocks:
            kind = ("block", block.scene_context)
            block.forward = partial(self._counted, kind, block.forward)

    def _counted(self, kind: Any, function: Callable[..., Any], *inputs: Any) -> Any:
        key = (kind, _shapes(inputs))
        if key not in self._known:
            outputs: list[Any] = []
            flops = count(lambda: outputs.append(function(*inputs)))
            self._known[key] = (outputs[0], flops)
        output, flops = self._known[key]
        self.flops += flops
        return output


def _shapes(value: Any) -> Any:
    """Something hashable that two values share whose work is the same."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if is_dataclass(value):
        return (type(value), *(_shapes(getattr(value, f.name)) for f in fields(value)))
    if isinstance(value, (tuple, list)):
        return tuple(_shapes(item) for item in value)
    return value
