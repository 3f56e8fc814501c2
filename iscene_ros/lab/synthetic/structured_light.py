"""Depth from a projected pattern, like the first Kinect, the Astra or the Xtion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from iscene_ros.lab.synthetic.random_fields import (
    normal_field,
    random_blocks,
    random_pixels,
    smooth_field,
)
from iscene_ros.lab.synthetic.triangulation import Baseline, depth_edges, fattened, shadowed, slopes


@dataclass(frozen=True)
class StructuredLightOptions:
    """Ranges drawn from once a frame; lengths in sensor pixels unless noted.

    Attributes:
        baseline: Distance between projector and camera [m].
        noise: Standard deviation of the disparity.
        steps: Steps of the disparity per pixel.
        speckle_size: Edge of the pattern's speckles, each of which is read or lost as a whole.
        edge_dropout: Share of the speckles lost at depth jumps, which makes outlines ragged.
        random_dropout: Share of the speckles lost anywhere.
        dark_share, dark_loss: Share of the objects that absorb the light, and the share of their
            speckles that are lost.
        shiny_share, shiny_spread: Share of the objects with a saturated highlight, and its size as
            a slope.
        grazing_slope: Surfaces steeper than this (tangent) fail.
        right_share: Share of frames whose projector is on the left, with shadows on the right.
    """

    baseline: tuple[float, float] = (0.06, 0.08)
    noise: tuple[float, float] = (0.03, 0.12)
    steps: tuple[float, float] = (4.0, 8.0)
    speckle_size: tuple[float, float] = (2.0, 5.0)
    edge_dropout: tuple[float, float] = (0.1, 0.7)
    random_dropout: tuple[float, float] = (0.0, 0.04)
    dark_share: float = 0.15
    dark_loss: tuple[float, float] = (0.2, 1.0)
    shiny_share: float = 0.25
    shiny_spread: tuple[float, float] = (0.1, 0.4)
    grazing_slope: float = 3.5
    right_share: float = 0.5


def structured_light_depth(
    ideal: Tensor,
    ids: Tensor,
    rng: np.random.Generator,
    baseline: Baseline,
    options: StructuredLightOptions,
) -> Tensor:
    """Return measured depth (H, W) [m], 0 = none, of ideal depth and object ids (H, W)."""
    baseline = replace(baseline, length=float(rng.uniform(*options.baseline)))
    flip = rng.random() < options.right_share
    if flip:
        ideal, ids = ideal.flip(1), ids.flip(1)
    true = baseline.disparity(ideal)
    speckle_size = baseline.pixels(rng.uniform(*options.speckle_size))
    blurred = fattened(true, 1, 1.0 / baseline.pixel_scale)
    mixed = torch.where(random_blocks(rng, ideal, speckle_size, 0.3), blurred, true)
    steps = float(rng.uniform(*options.steps)) * baseline.pixel_scale
    sigma = float(rng.uniform(*options.noise)) / baseline.pixel_scale
    error = 0.5 * normal_field(rng, ideal) + smooth_field(rng, ideal, max(2, speckle_size))
    depth = baseline.depth(((mixed + sigma * error) * steps).round() / steps)
    lost = (ideal <= 0) | shadowed(true) | baseline.out_of_view(true)
    lost |= depth_edges(ideal) & random_blocks(
        rng, ideal, speckle_size, rng.uniform(*options.edge_dropout)
    )
    lost |= random_blocks(rng, ideal, speckle_size, rng.uniform(*options.random_dropout))
    lost |= _unreadable(ideal, ids, rng, baseline, speckle_size, options)
    depth = depth.masked_fill(lost, 0.0)
    return depth.flip(1) if flip else depth


def _unreadable(
    ideal: Tensor,
    ids: Tensor,
    rng: np.random.Generator,
    baseline: Baseline,
    speckle_size: int,
    options: StructuredLightOptions,
) -> Tensor:
    """Return a mask (H, W) of surfaces that reflect too little or too much light."""
    across, down = slopes(ideal, baseline.focal)
    lost = torch.hypot(across, down) > options.grazing_slope
    lost = lost & random_pixels(rng, ideal, 0.8)
    for identifier in range(1, int(ids.max()) + 1):
        mask = ids == identifier
        dark, shiny = rng.random(2) < (options.dark_share, options.shiny_share)
        if dark:
            lost |= mask & random_blocks(rng, ideal, speckle_size, rng.uniform(*options.dark_loss))
        if shiny:
            facing, spread = rng.normal(0, 0.4, 2), rng.uniform(*options.shiny_spread)
            away = torch.hypot(across - float(facing[0]), down - float(facing[1]))
            lost |= mask & (away < spread)
    return lost
