"""Random images and morphology for the sensor models; numbers are drawn by numpy."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def blob_field(rng: np.random.Generator, mask: Tensor) -> Tensor:
    """Return a smooth field (H, W) whose period is 0.2 to 0.8 of the size of a mask."""
    width = max(float(mask.sum()) ** 0.5, 6.0)
    return smooth_field(rng, mask, max(int(width * rng.uniform(0.2, 0.8)), 3))


def smooth_field(rng: np.random.Generator, like: Tensor, period: int) -> Tensor:
    """Return normal noise (H, W) of the shape of `like`, correlated over about `period` pixels."""
    shape = like.shape
    rows, columns = shape[0] // period + 2, shape[1] // period + 2
    coarse = torch.from_numpy(rng.standard_normal((1, 1, rows, columns), dtype=np.float32))
    return functional.interpolate(coarse, size=tuple(shape), mode="bilinear")[0, 0]


def max_filter(image: Tensor, radius: int) -> Tensor:
    """Return the largest value (H, W) in a square of a radius [pixels] around each pixel."""
    return functional.max_pool2d(image[None, None], 2 * radius + 1, 1, radius)[0, 0]


def dilated(mask: Tensor, radius: int) -> Tensor:
    """Return a mask (H, W) dilated by a radius [pixels]."""
    return max_filter(mask.float(), radius) > 0.5 if radius > 0 else mask


def uniform_field(rng: np.random.Generator, like: Tensor) -> Tensor:
    """Return independent uniform numbers (H, W) in [0, 1) of the shape of `like`."""
    return torch.from_numpy(rng.random(tuple(like.shape), dtype=np.float32))


def normal_field(rng: np.random.Generator, like: Tensor) -> Tensor:
    """Return independent standard normal numbers (H, W) of the shape of `like`."""
    return torch.from_numpy(rng.standard_normal(tuple(like.shape), dtype=np.float32))


def random_pixels(rng: np.random.Generator, like: Tensor, probability: float) -> Tensor:
    """Return a mask (H, W) of pixels drawn independently with a probability."""
    return uniform_field(rng, like) < probability


def random_blocks(rng: np.random.Generator, like: Tensor, size: int, probability: float) -> Tensor:
    """Return a mask (H, W) of square blocks of `size` pixels drawn independently."""
    coarse = random_pixels(rng, like[::size, ::size], probability)
    fine = coarse.repeat_interleave(size, 0).repeat_interleave(size, 1)
    return fine[: like.shape[0], : like.shape[1]]
