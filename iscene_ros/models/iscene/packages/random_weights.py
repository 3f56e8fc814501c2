"""Random weights of the published shapes: for measuring time and memory, and for tests."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor

from iscene_ros.models.iscene.sampling.flow_sampler import seeded_noise

BIAS_SPREAD = 0.1
GAIN_SPREAD = 0.1
# Of learned tokens and positions.
TOKEN_SPREAD = 0.5


def random_tensor(
    name: str,  # of the state dict
    shape: torch.Size,
    seed: int,
) -> Tensor:
    """Float32 numbers that depend on the seed, the name and the shape alone; none is constant.

    Weights keep the size of what passes through; gains lie about 1, biases about 0.
    """
    noise = seeded_noise(tuple(shape), seed, zlib.crc32(name.encode()))
    kind = name.rsplit(".", 1)[-1]
    if kind == "weight" and len(shape) > 1:
        return noise.mul_((noise.numel() / shape[0]) ** -0.5)
    if kind in ("weight", "gamma"):
        return noise.mul_(GAIN_SPREAD).add_(1)
    return noise.mul_(BIAS_SPREAD if kind == "bias" else TOKEN_SPREAD)
