"""Depth by block matching of two cameras, like the RealSense D400 series."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from iscene_ros.lab.synthetic.random_fields import (
    blob_field,
    grown,
    happens,
    normal_field,
    smooth_field,
)
from iscene_ros.lab.synthetic.triangulation import (
    Baseline,
    depth_edges,
    fattened,
    shadowed,
    slopes,
)


@dataclass(frozen=True)
class StereoOptions:
    """Ranges drawn from once a frame; lengths in pixels of the sensor unless said otherwise.

    Attributes:
        baseline: between the cameras [m].
        noise: standard deviation of the disparity; depth errs by noise z^2 / (focal x baseline).
        steps: of the disparity per pixel.
        block: half width of the matching window, by which near things may grow.
        filled: share of what only one camera sees that is filled with the background.
        largest_disparity: as a share of the image width; what is nearer is lost.
        untextured_share: of the surfaces (objects, and everything else as one).
        untextured_hole: share of such a surface that is lost.
        untextured_noise: factor of its noise.
        edge_dropout: share of the pixels at depth jumps.
        random_dropout: share of all pixels.
        grazing_slope: surfaces steeper than this (tangent) are lost.
        island_share: of the frames with islands of wrong matches (repeated patterns, shine).
        islands: how many of them there are then.
        island_area: of one, in pixels of the sensor.
        island_jump: by which share of the true disparity the matches of an island err, up or down.
        right_share: of the frames whose second camera is on the left: shadows on the right.
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
    """Depth (H,W) [m] as measured, 0 = none, of ideal depth; ids (H,W) tell surfaces apart."""
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
    # Ten pixels of a block are worth a jump of one: smaller steps are bridged, not overhung.
    overhang = fattened(true, baseline.pixels(block), 1.0 / baseline.pixel_scale)
    somewhere = smooth_field(rng, ideal, max(3, baseline.pixels(4 * block)))
    grows = (overhang > true) & (somewhere > rng.normal())
    disparity = torch.where(grows, overhang, true)
    noise, holes = _texture(ids, rng, options)
    noise = noise * float(rng.uniform(*options.noise))
    disparity = _measured(disparity, noise, rng, baseline, block, options)
    lost = _lost(ideal, true, rng, baseline, options) & ~grows
    lost |= holes | (ideal <= 0) | happens(rng, ideal, rng.uniform(*options.random_dropout))
    if options.island_share > 0 and rng.random() < options.island_share:
        disparity = _with_islands(disparity, ids, rng, baseline, options)
    return torch.where(lost, torch.zeros_like(ideal), baseline.depth(disparity))


def _measured(
    disparity: Tensor,
    noise: Tensor,
    rng: np.random.Generator,
    baseline: Baseline,
    block: float,
    options: StereoOptions,
) -> Tensor:
    """Noisy and quantised disparity; errors within a block go together."""
    together = smooth_field(rng, disparity, max(2, baseline.pixels(1.5 * block)))
    error = noise * (0.4 * normal_field(rng, disparity) + 1.1 * together)
    steps = float(rng.uniform(*options.steps))
    found = ((disparity * baseline.pixel_scale + error) * steps).round() / steps
    return found / baseline.pixel_scale


def _with_islands(
    disparity: Tensor,
    ids: Tensor,
    rng: np.random.Generator,
    baseline: Baseline,
    options: StereoOptions,
) -> Tensor:
    """Disparity with ragged discs of wrong matches, on objects and around them."""
    near_objects = grown(ids > 0, baseline.pixels(6))
    places = near_objects.nonzero().cpu().numpy()
    if not len(places):
        return disparity
    rows = torch.arange(ids.shape[0], device=ids.device)[:, None]
    columns = torch.arange(ids.shape[1], device=ids.device)
    for _ in range(int(rng.integers(options.islands[0], options.islands[1] + 1))):
        row, column = places[rng.integers(len(places))]
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
    return lost | (edges & happens(rng, ideal, rng.uniform(*options.edge_dropout)))


def _texture(
    ids: Tensor, rng: np.random.Generator, options: StereoOptions
) -> tuple[Tensor, Tensor]:
    """Factor (H,W) of the noise and mask (H,W) of the holes, surface by surface."""
    factor = torch.ones(ids.shape, device=ids.device)
    holes = torch.zeros_like(ids, dtype=torch.bool)
    for identifier in range(int(ids.max()) + 1):
        mask = ids == identifier
        if rng.random() >= options.untextured_share or not bool(mask.any()):
            continue
        factor = torch.where(mask, rng.uniform(*options.untextured_noise), factor)
        field = blob_field(rng, mask)
        within = field[mask]
        # A table keeps more of itself than an object does: there is more of it to match.
        share = float(rng.uniform(*options.untextured_hole)) * (1.0 if identifier else 0.3)
        level = torch.quantile(within[:: 1 + len(within) // 10000], share)
        holes |= mask & (field < level)
    return factor, holes
