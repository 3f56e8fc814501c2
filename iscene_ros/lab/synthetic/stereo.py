"""Depth by block matching of two cameras, like the RealSense D400 series."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from iscene_ros.lab.synthetic.random_fields import (
    blob_field,
    dilated,
    normal_field,
    random_pixels,
    smooth_field,
)
from iscene_ros.lab.synthetic.triangulation import Baseline, depth_edges, fattened, shadowed, slopes


@dataclass(frozen=True)
class StereoOptions:
    """Ranges drawn from once a frame; lengths in sensor pixels unless noted.

    Attributes:
        baseline: Distance between the cameras [m].
        noise: Standard deviation of the disparity; depth errs by noise z^2 / (focal x baseline).
        steps: Steps of the disparity per pixel.
        block: Half width of the matching window, by which near surfaces may be dilated.
        filled: Share of the occlusion shadow that is filled with the background.
        largest_disparity: Share of the image width; surfaces of a larger disparity are lost.
        untextured_share: Share of the surfaces (each object, and the rest as one surface).
        untextured_hole: Share of such a surface that is lost.
        untextured_noise: Factor of the noise of such a surface.
        edge_dropout: Share of the pixels at depth jumps.
        random_dropout: Share of all pixels.
        grazing_slope: Surfaces steeper than this (tangent) are lost.
        island_share: Share of frames with islands of wrong matches (repeated patterns, highlights).
        islands: Least and greatest number of islands in such a frame.
        island_area: Area of one island [sensor pixels].
        island_jump: Relative error of the disparity in an island, up or down.
        right_share: Share of frames whose second camera is on the left, with shadows on the right.
    """

    baseline: tuple[float, float] = (0.05, 0.1)
    noise: tuple[float, float] = (0.04, 0.2)
    steps: tuple[float, float] = (8.0, 32.0)
    block: tuple[float, float] = (1.0, 5.0)
    filled: tuple[float, float] = (0.0, 0.6)
    largest_disparity: tuple[float, float] = (0.2, 0.45)
    untextured_share: float = 0.35
    untextured_hole: tuple[float, float] = (0.0, 0.7)
    untextured_noise: tuple[float, float] = (1.0, 4.0)
    edge_dropout: tuple[float, float] = (0.0, 0.3)
    random_dropout: tuple[float, float] = (0.0, 0.02)
    grazing_slope: float = 4.0
    island_share: float = 0.0
    islands: tuple[int, int] = (1, 6)
    island_area: tuple[float, float] = (60.0, 600.0)
    island_jump: tuple[float, float] = (0.04, 0.5)
    right_share: float = 0.2


def stereo_depth(
    ideal: Tensor, ids: Tensor, rng: np.random.Generator, baseline: Baseline, options: StereoOptions
) -> Tensor:
    """Return measured depth (H, W) [m], 0 = none, of ideal depth and object ids (H, W)."""
    baseline = replace(baseline, length=float(rng.uniform(*options.baseline)))
    flip = rng.random() < options.right_share
    if flip:
        ideal, ids = ideal.flip(1), ids.flip(1)
    depth = _matched(ideal, ids, rng, baseline, options)
    return depth.flip(1) if flip else depth


def _matched(
    ideal: Tensor, ids: Tensor, rng: np.random.Generator, baseline: Baseline, options: StereoOptions
) -> Tensor:
    true = baseline.disparity(ideal)
    block = float(rng.uniform(*options.block))
    # Disparity steps of less than a sensor pixel are smoothed by the window, not dilated.
    overhang = fattened(true, baseline.pixels(block), 1.0 / baseline.pixel_scale)
    patches = smooth_field(rng, ideal, max(3, baseline.pixels(4 * block)))
    grows = (overhang > true) & (patches > rng.normal())
    disparity = torch.where(grows, overhang, true)
    noise, holes = _texture(ids, rng, options)
    noise = noise * float(rng.uniform(*options.noise))
    # Errors are correlated within a block.
    together = smooth_field(rng, ideal, max(2, baseline.pixels(1.5 * block)))
    error = noise * (0.4 * normal_field(rng, ideal) + 1.1 * together)
    steps = float(rng.uniform(*options.steps))
    found = ((disparity * baseline.pixel_scale + error) * steps).round() / steps
    disparity = found / baseline.pixel_scale
    lost = _lost(ideal, true, rng, baseline, options) & ~grows
    lost |= holes | (ideal <= 0) | random_pixels(rng, ideal, rng.uniform(*options.random_dropout))
    if options.island_share > 0 and rng.random() < options.island_share:
        disparity = _with_islands(disparity, ids, rng, baseline, options)
    return baseline.depth(disparity).masked_fill(lost, 0.0)


def _with_islands(
    disparity: Tensor,
    ids: Tensor,
    rng: np.random.Generator,
    baseline: Baseline,
    options: StereoOptions,
) -> Tensor:
    """Return disparity with ragged discs of wrong matches on and around objects."""
    near_objects = dilated(ids > 0, baseline.pixels(6))
    centers = near_objects.nonzero().numpy()
    if not len(centers):
        return disparity
    rows, columns = torch.arange(ids.shape[0])[:, None], torch.arange(ids.shape[1])
    for _ in range(int(rng.integers(options.islands[0], options.islands[1] + 1))):
        row, column = centers[rng.integers(len(centers))]
        radius = (np.exp(rng.uniform(*np.log(options.island_area))) / np.pi) ** 0.5
        radius /= baseline.pixel_scale
        stretch = float(np.exp(rng.uniform(-0.7, 0.7)))
        away = torch.hypot((rows - int(row)) * stretch, (columns - int(column)) / stretch)
        ragged = smooth_field(rng, disparity, max(2, round(radius)))
        island = away < radius * (1 + 0.4 * ragged)
        jump = float(rng.uniform(*options.island_jump)) * float(rng.choice([-1, 1]))
        disparity = torch.where(island, disparity * (1 + jump), disparity)
    return disparity


def _lost(
    ideal: Tensor,
    true: Tensor,
    rng: np.random.Generator,
    baseline: Baseline,
    options: StereoOptions,
) -> Tensor:
    hidden = shadowed(true)
    field = smooth_field(rng, ideal, max(3, baseline.pixels(12)))
    filled = field < torch.quantile(field[::4, ::4], float(rng.uniform(*options.filled)))
    lost = (hidden & ~filled) | baseline.out_of_view(true)
    width = ideal.shape[1] + 2 * baseline.cropped_columns
    lost |= true > rng.uniform(*options.largest_disparity) * width
    across, down = slopes(ideal, baseline.focal)
    edges = depth_edges(ideal)
    lost |= (torch.hypot(across, down) > options.grazing_slope) & ~edges
    return lost | (edges & random_pixels(rng, ideal, rng.uniform(*options.edge_dropout)))


def _texture(
    ids: Tensor, rng: np.random.Generator, options: StereoOptions
) -> tuple[Tensor, Tensor]:
    """Return a noise factor (H, W) and a mask (H, W) of holes, drawn for each surface."""
    factor = torch.ones(ids.shape)
    holes = torch.zeros_like(ids, dtype=torch.bool)
    for identifier in range(int(ids.max()) + 1):
        mask = ids == identifier
        if rng.random() >= options.untextured_share or not bool(mask.any()):
            continue
        factor = torch.where(mask, rng.uniform(*options.untextured_noise), factor)
        field = blob_field(rng, mask)
        within = field[mask]
        # The surroundings, large and mixed, lose less than an object does.
        share = float(rng.uniform(*options.untextured_hole)) * (1.0 if identifier else 0.3)
        level = torch.quantile(within[:: 1 + len(within) // 10000], share)
        holes |= mask & (field < level)
    return factor, holes
