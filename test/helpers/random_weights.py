"""Random weights in every tensor, so that none multiplies what is tested by zero."""

import torch
from torch import nn

from iscene_ros.models.iscene.packages.parts import torso_layers


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in evaluation mode; matrices keep the size of what passes through them."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
        spread = 0.3 if parameter.ndim == 1 or "gamma" in name else fan_in**-0.5
        values = spread * torch.randn(parameter.shape, generator=generator)
        is_gain = "gamma" in name or ("norm" in name and name.endswith("weight"))
        parameter.data.copy_(1 + values if is_gain else values)
    return module.eval().requires_grad_(False)


def convert_torso(network: nn.Module, dtype: torch.dtype) -> None:
    """Convert the linear and convolution layers of the torso, and nothing else."""
    for layer in torso_layers(network):
        layer.to(dtype)
