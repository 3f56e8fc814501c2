"""What a real depth camera and an instance segmentation make of an ideal rendering."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from iscene_ros.synthetic.rendering import Rendering


@dataclass(frozen=True)
class SensorOptions:
    """Strengths of the disturbances; pairs are ranges drawn from once a frame."""

    clean_share: float = 0.15  # frames without any disturbance
    focal: float = 280.0  # pixels; only for slopes and disparities
    noise_floor: tuple[float, float] = (0.0002, 0.001)  # m
    noise_growth: tuple[float, float] = (0.001, 0.003)  # m per m^2 of depth
    focal_baseline: tuple[float, float] = (12.0, 30.0)  # pixel metres
    disparity_steps: tuple[float, float] = (16.0, 64.0)  # per pixel of disparity
    edge_jump: float = 0.015  # m + the same share of the depth
    edge_dropout: tuple[float, float] = (0.0, 0.6)
    edge_flying: tuple[float, float] = (0.0, 0.3)
    grazing_cosine: float = 0.22  # surfaces steeper than this start to fail
    random_dropout: tuple[float, float] = (0.0, 0.04)
    hole_share: float = 0.45  # of the objects
    hole_size: tuple[float, float] = (0.0, 0.7)  # share of the pixels of an object
    lost_share: float = 0.03  # objects without any reading
    mask_change: int = 2  # pixels, largest erosion or dilation
    bleed_share: float = 0.15
    bite_share: float = 0.2


NOISE_FREE = SensorOptions(clean_share=1.0)


@dataclass(frozen=True, eq=False)
class SensedFrame:
    """Input of the completion, as a robot would get it."""

    depth: np.ndarray  # (H,W) float32 [m], 0 = no reading
    masks: np.ndarray  # (N,H,W) bool of the segmented objects in order; may overlap


def observe(
    rendering: Rendering,
    segmented: np.ndarray,
    rng: np.random.Generator,
    options: SensorOptions | None = None,
) -> SensedFrame:
    """Disturbs depth and masks; pixels without ideal depth never get any."""
    options = options or SensorOptions()
    ids = torch.from_numpy(rendering.ids)
    depth = torch.from_numpy(rendering.depth)
    shown = [int(index) + 1 for index in np.flatnonzero(segmented)]
    masks = [ids == identifier for identifier in shown]
    if rng.random() >= options.clean_share:
        depth = _sensed_depth(depth, ids, rng, options)
        masks = [_sensed_mask(mask, rng, options) for mask in masks]
    shape = (len(masks), *rendering.depth.shape)
    stacked = torch.stack(masks) if masks else torch.zeros(shape, dtype=torch.bool)
    return SensedFrame(depth.numpy().astype(np.float32, copy=True), stacked.numpy())


def _sensed_depth(
    ideal: Tensor, ids: Tensor, rng: np.random.Generator, options: SensorOptions
) -> Tensor:
    seen = ideal > 0
    edges, nearest, farthest = _edges(ideal, options)
    depth = ideal + _noise(ideal, rng, options)
    depth = _quantised(depth, rng, options)
    flying = edges & _happens(rng, ideal.shape, rng.uniform(*options.edge_flying))
    share = _uniform(rng, ideal.shape)
    depth = torch.where(flying, nearest + share * (farthest - nearest), depth)
    lost = edges & ~flying & _happens(rng, ideal.shape, rng.uniform(*options.edge_dropout))
    lost |= _happens(rng, ideal.shape, rng.uniform(*options.random_dropout))
    lost |= _grazing(ideal, options) & _happens(rng, ideal.shape, 0.7)
    lost |= _holes(ids, rng, options)
    return torch.where(seen & ~lost & (depth > 0), depth, torch.zeros(()))


def _noise(ideal: Tensor, rng: np.random.Generator, options: SensorOptions) -> Tensor:
    growth = rng.uniform(*options.noise_growth)
    sigma = rng.uniform(*options.noise_floor) + growth * ideal * ideal
    white = torch.from_numpy(rng.standard_normal(tuple(ideal.shape), dtype=np.float32))
    return sigma * (0.75 * white + 0.65 * _smooth_field(rng, ideal.shape, 3))


def _quantised(depth: Tensor, rng: np.random.Generator, options: SensorOptions) -> Tensor:
    scale = rng.uniform(*options.focal_baseline) * rng.uniform(*options.disparity_steps)
    steps = (scale / depth.clamp_min(1e-3)).round().clamp_min(1.0)
    return torch.where(depth > 0, scale / steps, depth)


def _edges(ideal: Tensor, options: SensorOptions) -> tuple[Tensor, Tensor, Tensor]:
    """Mask (H,W) of depth jumps, and the nearest and farthest depth around each pixel."""
    far = torch.where(ideal > 0, ideal, torch.full((), -np.inf))
    near = torch.where(ideal > 0, -ideal, torch.full((), -np.inf))
    farthest, nearest = _dilated(far, 1), -_dilated(near, 1)
    edges = (ideal > 0) & (farthest - nearest > options.edge_jump * (1.0 + ideal))
    return edges, nearest, farthest


def _grazing(ideal: Tensor, options: SensorOptions) -> Tensor:
    """Mask (H,W) of surfaces that are seen at a flat angle."""
    scale = options.focal / ideal.clamp_min(1e-3)
    across, down = torch.zeros_like(ideal), torch.zeros_like(ideal)
    across[:, 1:-1] = 0.5 * (ideal[:, 2:] - ideal[:, :-2])
    down[1:-1] = 0.5 * (ideal[2:] - ideal[:-2])
    cosine = 1.0 / (1.0 + (across * scale) ** 2 + (down * scale) ** 2).sqrt()
    return cosine < options.grazing_cosine


def _holes(ids: Tensor, rng: np.random.Generator, options: SensorOptions) -> Tensor:
    """Mask (H,W) of blobs without readings, drawn per object."""
    lost = torch.zeros_like(ids, dtype=torch.bool)
    for identifier in range(1, int(ids.max()) + 1):
        mask = ids == identifier
        draw = rng.random()
        if not bool(mask.any()):
            continue
        if draw < options.lost_share:
            lost |= mask
        elif draw < options.lost_share + options.hole_share:
            field = _blob_field(rng, mask)
            limit = torch.quantile(field[mask], float(rng.uniform(*options.hole_size)))
            lost |= mask & (field < limit)
    return lost


def _sensed_mask(mask: Tensor, rng: np.random.Generator, options: SensorOptions) -> Tensor:
    change = int(rng.integers(-options.mask_change, options.mask_change + 1))
    bleeds, bitten = rng.random(2) < (options.bleed_share, options.bite_share)
    if not bool(mask.any()):
        return mask
    changed = _grown(mask, change) if change >= 0 else ~_grown(~mask, -change)
    if bleeds:
        field = _blob_field(rng, mask)
        reach = int(rng.integers(3, 8))
        changed = changed | (_grown(mask, reach) & (field > torch.quantile(field[mask], 0.8)))
    if bitten:
        field = _blob_field(rng, mask)
        changed = changed & (field < torch.quantile(field[mask], float(rng.uniform(0.8, 1.0))))
    # Small objects must not vanish altogether.
    return changed if int(changed.sum()) >= min(int(mask.sum()), 20) else mask


def _blob_field(rng: np.random.Generator, mask: Tensor) -> Tensor:
    """Smooth random field (H,W) whose blobs are a third to all of the size of a mask."""
    width = max(float(mask.sum()) ** 0.5, 6.0)
    return _smooth_field(rng, mask.shape, max(int(width * rng.uniform(0.2, 0.8)), 3))


def _smooth_field(rng: np.random.Generator, shape: tuple[int, ...], period: int) -> Tensor:
    """Normal noise (H,W) that varies over about `period` pixels."""
    rows, columns = shape[0] // period + 2, shape[1] // period + 2
    coarse = torch.from_numpy(rng.standard_normal((1, 1, rows, columns), dtype=np.float32))
    return functional.interpolate(coarse, size=tuple(shape), mode="bilinear")[0, 0]


def _dilated(image: Tensor, radius: int) -> Tensor:
    pooled = functional.max_pool2d(image[None, None], 2 * radius + 1, 1, radius)
    return pooled[0, 0]


def _grown(mask: Tensor, radius: int) -> Tensor:
    return _dilated(mask.float(), radius) > 0.5 if radius > 0 else mask


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(rng.random(tuple(shape), dtype=np.float32))


def _happens(rng: np.random.Generator, shape: tuple[int, ...], probability: float) -> Tensor:
    return _uniform(rng, shape) < probability
