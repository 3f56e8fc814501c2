"""The large convolutions of iscene-mini in integers of 8 bits, for processors that are fast at it.

Weights are quantised channel by channel, activations by the range that each call has. Sums, and
everything between the convolutions, stay in float32.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from iscene_ros.core.errors import ModelError
from iscene_ros.models.mini.grid_blocks import ResidualBlock
from iscene_ros.models.mini.network import VolumeSceneFlow

# Of activations: processors without VNNI add two products in 16 bits, which 8 bits would overflow.
LEVELS = 127
WEIGHT_LEVELS = 127


class Int8Convolution(nn.Module):
    """Called as the convolution that it replaces.

    The operations are those that torch's own quantisation compiles to on x86; unlike its quantised
    tensors, which torch has deprecated, they take and return plain ones.
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        weight = convolution.weight.detach().float().contiguous()
        self._scales = weight.abs().amax((1, 2, 3, 4)).clamp_min(1e-12) / WEIGHT_LEVELS
        self._zeros = torch.zeros(len(self._scales), dtype=torch.int32)
        self._bias = convolution.bias.detach().float()
        self._shape = [
            list(sizes) for sizes in (convolution.stride, convolution.padding, convolution.dilation)
        ]
        rounded = torch.round(weight / self._scales[:, None, None, None, None]).to(torch.int8)
        # Each call passes the scale and zero of its activations; the ones here are not used.
        self._packed = torch.ops.onednn.qconv_prepack(
            rounded, self._scales, 1.0, 0, *self._shape, 1, None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (S, C', D, D, D) float32 of (S, C, D, D, D) float32."""
        low, high = (float(end) for end in torch.aminmax(x))
        low, high = min(low, 0.0), max(high, 0.0)
        step = max(high - low, 1e-12) / LEVELS
        zero = round(-low / step)
        rounded = torch.add(zero + 0.5, x, alpha=1 / step).to(torch.uint8)
        weights = self._packed, self._scales, self._zeros, self._bias
        made = (1.0, 0, torch.float32, "none", [], "")
        return torch.ops.onednn.qconv3d_pointwise(
            rounded, step, zero, *weights, *self._shape, 1, *made
        )


def with_int8_convolutions(network: VolumeSceneFlow) -> VolumeSceneFlow:
    """A copy of a network, those of its convolutions in integers that take most of the time.

    Raises:
        ModelError: the network is on a GPU, or torch has no such integers on this processor.
    """
    if next(network.parameters()).device.type != "cpu":
        raise ModelError("precision int8: for CPUs alone; on a GPU use float32 or bfloat16")
    network = copy.deepcopy(network)
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            block.conv1, block.conv2 = (_int8(c) for c in (block.conv1, block.conv2))
    return network


def _int8(convolution: nn.Conv3d) -> Int8Convolution:
    try:
        return Int8Convolution(convolution)
    except (AttributeError, NotImplementedError, RuntimeError) as error:
        raise ModelError(
            "precision int8: torch has no integer convolutions on this processor; use float32"
        ) from error
