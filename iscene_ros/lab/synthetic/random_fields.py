"""Random images and the growing of masks for the sensor models; drawn by numpy on any device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def blob_field(rng: np.random.Generator, mask: Tensor) -> Tensor:
    """Smooth random field (H,W) whose blobs are a third to all of the size of a mask."""
    width = max(float(mask.sum()) ** 0.5, 6.0)
    return smooth_field(rng, mask, max(int(width * rng.uniform(0.2, 0.8)), 3))


def smooth_field(rng: np.random.Generator, like: Tensor, period: int) -> Tensor:
    """Normal noise (H,W), as large as an image, that varies over about `period` pixels."""
    shape = like.shape
    rows, columns = shape[0] // period + 2, shape[1] // period + 2
    coarse = torch.from_numpy(rng.standard_normal((1, 1, rows, columns), dtype=np.float32))
    coarse = coarse.to(like.device)
    return functional.interpolate(coarse, size=tuple(shape), mode="bilinear")[0, 0]


def dilated(image: Tensor, radius: int) -> Tensor:
    """Largest value (H,W) within a square of a radius in pixels around each pixel."""
    pooled = functional.max_pool2d(image[None, None], 2 * radius + 1, 1, radius)
    return pooled[0, 0]


def grown(mask: Tensor, radius: int) -> Tensor:
    """Mask (H,W) widened by a radius in pixels."""
    return dilated(mask.float(), radius) > 0.5 if radius > 0 else mask


def uniform_field(rng: np.random.Generator, like: Tensor) -> Tensor:
    """Independent numbers (H,W) in [0, 1), as many as an image has pixels."""
    return torch.from_numpy(rng.random(tuple(like.shape), dtype=np.float32)).to(like.device)


def normal_field(rng: np.random.Generator, like: Tensor) -> Tensor:
    """Independent normal numbers (H,W), as many as an image has pixels."""
    drawn = rng.standard_normal(tuple(like.shape), dtype=np.float32)
    return torch.from_numpy(drawn).to(like.device)


def happens(rng: np.random.Generator, like: Tensor, probability: float) -> Tensor:
    """Mask (H,W) of pixels drawn independently."""
    return uniform_field(rng, like) < probability


def grains(rng: np.random.Generator, like: Tensor, size: int, probability: float) -> Tensor:
    """Mask (H,W) of square grains of so many pixels, drawn independently."""
    coarse = happens(rng, like[::size, ::size], probability)
    fine = coarse.repeat_interleave(size, 0).repeat_interleave(size, 1)
    return fine[: like.shape[0], : like.shape[1]]
