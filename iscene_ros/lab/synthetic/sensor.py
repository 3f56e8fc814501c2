"""Noisy depth and masks, as a depth camera and an instance segmentation give them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from iscene_ros.lab.synthetic.random_cameras import SimulatedCamera
from iscene_ros.lab.synthetic.random_fields import (
    blob_field,
    dilated,
    normal_field,
    random_pixels,
    smooth_field,
    uniform_field,
)
from iscene_ros.lab.synthetic.rendering import Rendering
from iscene_ros.lab.synthetic.stereo import StereoOptions, stereo_depth
from iscene_ros.lab.synthetic.structured_light import StructuredLightOptions, structured_light_depth
from iscene_ros.lab.synthetic.triangulation import Baseline, depth_range, slopes

# The generic sensor; pairs are ranges drawn from once a frame.
NOISE_FLOOR = (0.0002, 0.001)  # m
NOISE_GROWTH = (0.001, 0.003)  # m per m^2 of depth
FOCAL_BASELINE = (12.0, 30.0)  # pixel metres
DISPARITY_STEPS = (16.0, 64.0)  # per pixel of disparity
EDGE_DROPOUT = (0.0, 0.6)
EDGE_FLYING = (0.0, 0.3)  # share of pixels at depth jumps that lie between near and far
GRAZING_COSINE = 0.22  # surfaces steeper than this start to fail
HOLE_SHARE = 0.45  # of the objects
HOLE_SIZE = (0.0, 0.7)  # share of the pixels of an object
LOST_SHARE = 0.03  # of objects without any depth reading
# Masks.
BLEED_SHARE = 0.15
BITE_SHARE = 0.2


@dataclass(frozen=True)
class SensorOptions:
    """Choice of the simulated sensors and of the disturbance of depth and masks.

    Attributes:
        clean_share: Share of frames without any disturbance.
        stereo_share, structured_light_share: Shares of the other frames, whose depth a stereo
            camera or a structured-light sensor measures in place of the generic sensor.
        stereo, structured_light: Options of these sensors.
        focal: Focal length [pixels] for slopes of the generic sensor; None = that of the camera.
        edge_jump: Depth jump [m] that makes an edge, at zero depth; it grows by the same share of
            the depth.
        random_dropout: Range of the share of lost pixels.
        mask_change: Largest erosion or dilation of a mask [pixels].
    """

    clean_share: float = 0.15
    stereo_share: float = 0.0
    structured_light_share: float = 0.0
    stereo: StereoOptions = field(default_factory=StereoOptions)
    structured_light: StructuredLightOptions = field(default_factory=StructuredLightOptions)
    focal: float | None = 280.0
    edge_jump: float = 0.015
    random_dropout: tuple[float, float] = (0.0, 0.04)
    mask_change: int = 2


GENERIC, NOISE_FREE = SensorOptions(), SensorOptions(clean_share=1.0)


@dataclass(frozen=True, eq=False)
class SensedFrame:
    """Depth and masks as a robot gets them.

    Attributes:
        depth: (H, W) float32 [m], 0 = no reading.
        masks: (N, H, W) bool of the segmented objects in order; they may overlap.
    """

    depth: np.ndarray
    masks: np.ndarray


def observe(
    rendering: Rendering,
    segmented: np.ndarray,
    rng: np.random.Generator,
    options: SensorOptions = GENERIC,
    camera: SimulatedCamera | None = None,
) -> SensedFrame:
    """Disturb depth and masks; pixels without ideal depth never get any.

    Args:
        rendering: Ideal depth and object ids.
        segmented: (N,) bool, the objects that have a mask.
        rng: Source of all choices.
        options: Choices of the sensor.
        camera: Camera of the image; the generic sensor with a fixed focal length needs none.

    Raises:
        ValueError: The sensor depends on the camera, but none is given.
    """
    ids, depth = torch.from_numpy(rendering.ids), torch.from_numpy(rendering.depth)
    masks = [ids == int(index) + 1 for index in np.flatnonzero(segmented)]
    if rng.random() >= options.clean_share:
        depth = _measured_depth(depth, ids, rng, options, camera)
        masks = [_sensed_mask(mask, rng, options) for mask in masks]
    shape = (len(masks), *rendering.depth.shape)
    stacked = torch.stack(masks) if masks else torch.zeros(shape, dtype=torch.bool)
    return SensedFrame(depth.numpy().astype(np.float32, copy=True), stacked.numpy())


def _measured_depth(
    ideal: Tensor,
    ids: Tensor,
    rng: np.random.Generator,
    options: SensorOptions,
    camera: SimulatedCamera | None,
) -> Tensor:
    special = options.stereo_share + options.structured_light_share
    draw = rng.random() if special > 0 else 1.0
    focal = options.focal
    if focal is None or draw < special:
        if camera is None:
            raise ValueError("this sensor needs the camera of the image; pass `camera`")
        own_focal = float(camera.intrinsics.k[0, 0])
        focal = own_focal if focal is None else focal
    if draw >= special:
        return _generic_depth(ideal, ids, rng, options, focal)
    baseline = Baseline(own_focal, camera.pixel_scale, cropped_columns=camera.cropped_columns)
    if draw < options.stereo_share:
        return stereo_depth(ideal, ids, rng, baseline, options.stereo)
    return structured_light_depth(ideal, ids, rng, baseline, options.structured_light)


def _generic_depth(
    ideal: Tensor, ids: Tensor, rng: np.random.Generator, options: SensorOptions, focal: float
) -> Tensor:
    nearest, farthest = depth_range(ideal)
    edges = (ideal > 0) & (farthest - nearest > options.edge_jump * (1.0 + ideal))
    growth = rng.uniform(*NOISE_GROWTH)
    sigma = rng.uniform(*NOISE_FLOOR) + growth * ideal * ideal
    white = normal_field(rng, ideal)
    depth = ideal + sigma * (0.75 * white + 0.65 * smooth_field(rng, ideal, 3))
    scale = rng.uniform(*FOCAL_BASELINE) * rng.uniform(*DISPARITY_STEPS)
    steps = (scale / depth.clamp_min(1e-3)).round().clamp_min(1.0)
    depth = torch.where(depth > 0, scale / steps, depth)
    flying = edges & random_pixels(rng, ideal, rng.uniform(*EDGE_FLYING))
    share = uniform_field(rng, ideal)
    depth = torch.where(flying, nearest + share * (farthest - nearest), depth)
    lost = edges & ~flying & random_pixels(rng, ideal, rng.uniform(*EDGE_DROPOUT))
    lost |= random_pixels(rng, ideal, rng.uniform(*options.random_dropout))
    across, down = slopes(ideal, focal)
    grazing = 1.0 / (1.0 + across**2 + down**2).sqrt() < GRAZING_COSINE
    lost |= grazing & random_pixels(rng, ideal, 0.7)
    lost |= _holes(ids, rng)
    return depth.masked_fill((ideal <= 0) | lost | (depth <= 0), 0.0)


def _holes(ids: Tensor, rng: np.random.Generator) -> Tensor:
    """Return a mask (H, W) of blobs without readings, drawn per object."""
    lost = torch.zeros_like(ids, dtype=torch.bool)
    for identifier in range(1, int(ids.max()) + 1):
        mask = ids == identifier
        draw = rng.random()
        if not bool(mask.any()):
            continue
        if draw < LOST_SHARE:
            lost |= mask
        elif draw < LOST_SHARE + HOLE_SHARE:
            field = blob_field(rng, mask)
            limit = torch.quantile(field[mask], float(rng.uniform(*HOLE_SIZE)))
            lost |= mask & (field < limit)
    return lost


def _sensed_mask(mask: Tensor, rng: np.random.Generator, options: SensorOptions) -> Tensor:
    change = int(rng.integers(-options.mask_change, options.mask_change + 1))
    has_bleed, has_bite = rng.random(2) < (BLEED_SHARE, BITE_SHARE)
    if not bool(mask.any()):
        return mask
    changed = dilated(mask, change) if change >= 0 else ~dilated(~mask, -change)
    if has_bleed:
        field = blob_field(rng, mask)
        reach = int(rng.integers(3, 8))
        changed = changed | (dilated(mask, reach) & (field > torch.quantile(field[mask], 0.8)))
    if has_bite:
        field = blob_field(rng, mask)
        changed = changed & (field < torch.quantile(field[mask], float(rng.uniform(0.8, 1.0))))
    # Masks of small objects must not become empty.
    return changed if int(changed.sum()) >= min(int(mask.sum()), 20) else mask
