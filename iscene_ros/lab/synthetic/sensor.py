"""What a real depth camera and an instance segmentation make of an ideal rendering."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from iscene_ros.lab.synthetic.random_cameras import SimulatedCamera
from iscene_ros.lab.synthetic.random_fields import (
    blob_field,
    dilated,
    grown,
    happens,
    normal_field,
    smooth_field,
    uniform_field,
)
from iscene_ros.lab.synthetic.rendering import Rendering
from iscene_ros.lab.synthetic.stereo import StereoOptions, stereo_depth
from iscene_ros.lab.synthetic.structured_light import StructuredLightOptions, structured_light_depth
from iscene_ros.lab.synthetic.triangulation import Baseline, slopes


@dataclass(frozen=True)
class SensorOptions:
    """Strengths of the disturbances; pairs are ranges drawn from once a frame.

    Beside the generic sensor, shares of the frames are taken by a stereo camera or by structured
    light; masks suffer alike.
    """

    clean_share: float = 0.15  # frames without any disturbance
    stereo_share: float = 0.0  # of the others
    structured_light_share: float = 0.0  # of the others
    stereo: StereoOptions = field(default_factory=StereoOptions)
    structured_light: StructuredLightOptions = field(default_factory=StructuredLightOptions)
    focal: float | None = 280.0  # pixels, for slopes; None: that of the camera
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
    camera: SimulatedCamera | None = None,
    device: str = "cpu",
) -> SensedFrame:
    """Disturbs depth and masks; pixels without ideal depth never get any.

    Raises:
        ValueError: the options ask for the camera's focal length, but no camera is given.
    """
    options = options or SensorOptions()
    ids = torch.from_numpy(rendering.ids).to(device)
    depth = torch.from_numpy(rendering.depth).to(device)
    shown = [int(index) + 1 for index in np.flatnonzero(segmented)]
    masks = [ids == identifier for identifier in shown]
    if rng.random() >= options.clean_share:
        depth = _of_some_sensor(depth, ids, rng, options, camera)
        masks = [_sensed_mask(mask, rng, options) for mask in masks]
    shape = (len(masks), *rendering.depth.shape)
    stacked = torch.stack(masks) if masks else torch.zeros(shape, dtype=torch.bool)
    return SensedFrame(depth.cpu().numpy().astype(np.float32, copy=True), stacked.cpu().numpy())


def _of_some_sensor(
    ideal: Tensor,
    ids: Tensor,
    rng: np.random.Generator,
    options: SensorOptions,
    camera: SimulatedCamera | None,
) -> Tensor:
    special = options.stereo_share + options.structured_light_share
    draw = rng.random() if special > 0 else 1.0
    if (options.focal is None or draw < special) and camera is None:
        raise ValueError("this sensor needs the camera that took the picture; pass `camera`")
    if draw < special:
        baseline = Baseline(
            float(camera.intrinsics.k[0, 0]),
            camera.pixel_scale,
            cropped_columns=camera.cropped_columns,
        )
        if draw < options.stereo_share:
            return stereo_depth(ideal, ids, rng, baseline, options.stereo)
        return structured_light_depth(ideal, ids, rng, baseline, options.structured_light)
    focal = float(camera.intrinsics.k[0, 0]) if options.focal is None else options.focal
    return _sensed_depth(ideal, ids, rng, options, focal)


def _sensed_depth(
    ideal: Tensor, ids: Tensor, rng: np.random.Generator, options: SensorOptions, focal: float
) -> Tensor:
    seen = ideal > 0
    edges, nearest, farthest = _edges(ideal, options)
    depth = ideal + _noise(ideal, rng, options)
    depth = _quantised(depth, rng, options)
    flying = edges & happens(rng, ideal, rng.uniform(*options.edge_flying))
    share = uniform_field(rng, ideal)
    depth = torch.where(flying, nearest + share * (farthest - nearest), depth)
    lost = edges & ~flying & happens(rng, ideal, rng.uniform(*options.edge_dropout))
    lost |= happens(rng, ideal, rng.uniform(*options.random_dropout))
    lost |= _grazing(ideal, focal, options) & happens(rng, ideal, 0.7)
    lost |= _holes(ids, rng, options)
    return torch.where(seen & ~lost & (depth > 0), depth, torch.zeros(()))


def _noise(ideal: Tensor, rng: np.random.Generator, options: SensorOptions) -> Tensor:
    growth = rng.uniform(*options.noise_growth)
    sigma = rng.uniform(*options.noise_floor) + growth * ideal * ideal
    white = normal_field(rng, ideal)
    return sigma * (0.75 * white + 0.65 * smooth_field(rng, ideal, 3))


def _quantised(depth: Tensor, rng: np.random.Generator, options: SensorOptions) -> Tensor:
    scale = rng.uniform(*options.focal_baseline) * rng.uniform(*options.disparity_steps)
    steps = (scale / depth.clamp_min(1e-3)).round().clamp_min(1.0)
    return torch.where(depth > 0, scale / steps, depth)


def _edges(ideal: Tensor, options: SensorOptions) -> tuple[Tensor, Tensor, Tensor]:
    """Mask (H,W) of depth jumps, and the nearest and farthest depth around each pixel."""
    far = torch.where(ideal > 0, ideal, torch.full((), -np.inf))
    near = torch.where(ideal > 0, -ideal, torch.full((), -np.inf))
    farthest, nearest = dilated(far, 1), -dilated(near, 1)
    edges = (ideal > 0) & (farthest - nearest > options.edge_jump * (1.0 + ideal))
    return edges, nearest, farthest


def _grazing(ideal: Tensor, focal: float, options: SensorOptions) -> Tensor:
    """Mask (H,W) of surfaces that are seen at a flat angle."""
    across, down = slopes(ideal, focal)
    cosine = 1.0 / (1.0 + across**2 + down**2).sqrt()
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
            field = blob_field(rng, mask)
            limit = torch.quantile(field[mask], float(rng.uniform(*options.hole_size)))
            lost |= mask & (field < limit)
    return lost


def _sensed_mask(mask: Tensor, rng: np.random.Generator, options: SensorOptions) -> Tensor:
    change = int(rng.integers(-options.mask_change, options.mask_change + 1))
    bleeds, bitten = rng.random(2) < (options.bleed_share, options.bite_share)
    if not bool(mask.any()):
        return mask
    changed = grown(mask, change) if change >= 0 else ~grown(~mask, -change)
    if bleeds:
        field = blob_field(rng, mask)
        reach = int(rng.integers(3, 8))
        changed = changed | (grown(mask, reach) & (field > torch.quantile(field[mask], 0.8)))
    if bitten:
        field = blob_field(rng, mask)
        changed = changed & (field < torch.quantile(field[mask], float(rng.uniform(0.8, 1.0))))
    # Small objects must not vanish altogether.
    return changed if int(changed.sum()) >= min(int(mask.sum()), 20) else mask
