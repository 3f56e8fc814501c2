"""Fusion of several views of the same crops, voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.crops import InstanceCrop
from iscene_ros.preprocess.view_readings import (
    OUTSIDE,
    TRUSTED,
    PosedDepthView,
    ViewReadings,
    read_view,
)

# From here on a distance is cut: free in front of a surface, or hidden behind it.
CUT = 0.999
# A reading at the truncation still counts this much against one at the surface.
LEAST_NEAR = 0.05
# Free readings count as a distance of one with this share of their weight.
FAR_NEAR = 0.2 * LEAST_NEAR
# Weights are summed as whole numbers of this part of one.
ONE = 2**40


def fused_readings(
    observation: Observation,
    crops: Sequence[InstanceCrop],
    aligned_frame: GravityAlignedFrame,
    resolution: int,
    truncation: float,  # [voxels]
    device: str = "cpu",
) -> ViewReadings:
    """Return the readings of all views of some crops, at least one, on the crops' grids.

    Args:
        observation: the reference view, rectified and clean.
        crops: of its instances.
        aligned_frame: frame of the crops.
        resolution: voxels along a side.
        truncation: of the distances [voxels].
        device: torch device.
    """
    centers = _float([crop.cube.center_aligned for crop in crops], device)
    sizes = _float([crop.cube.size for crop in crops], device)
    grid = resolution, truncation
    rows = [crop.index for crop in crops]
    pose = aligned_frame.camera_from_aligned()
    view = PosedDepthView.from_observation(observation, rows, pose, device)
    readings = read_view(view, centers, sizes, *grid)
    if not any(crop.further_views for crop in crops):
        return readings
    fused = []
    for number, crop in enumerate(crops):
        this = slice(number, number + 1)
        views = [readings.rows(this)] if observation.masks[crop.index].any() else []
        for view in crop.further_views:
            posed = PosedDepthView.from_observation(
                view.observation, [view.index], view.camera_from_aligned, device
            )
            views.append(read_view(posed, centers[this], sizes[this], *grid))
        fused.append(fuse(views))
    return ViewReadings.concatenated(fused)


def fuse(views: Sequence[ViewReadings]) -> ViewReadings:
    """Fuse the readings of K views of the same crops; the order of the views does not matter.

    A voxel that a trustworthy reading passed through is free. Near surfaces the distance is the
    mean, weighted by trust and by closeness to the surface; a voxel is hidden only where it is
    hidden in all views that have a reading. The pixel class is that of the view whose reading is
    closest to the voxel. A single view is returned as it is; a further view never turns a free
    voxel into a hidden one.
    """
    if len(views) == 1:
        return views[0]
    names = ("surface", "gap", "pixel_class", "weight")
    surface, gap, pixel_class, weight = (
        torch.stack([getattr(view, name) for view in views]) for name in names
    )
    known = weight > 0
    free, near = known & (surface >= CUT), known & (surface.abs() < CUT)
    carved = (free & (weight >= TRUSTED)).any(0)
    # Sums of whole numbers do not depend on the order.
    closeness = torch.where(near, 1 + LEAST_NEAR - surface.abs(), FAR_NEAR)
    share = weight * closeness * ONE * (near | free)
    total = share.long().sum(0).clamp_min(1)
    mean_surface, mean_gap = ((share * x).long().sum(0) / total for x in (surface, gap))
    # Without a reading the class alone decides: an own pixel's hole before another's.
    distance = torch.where(known, gap.abs(), 4.0)
    rank = (distance * 2**20).int() * (OUTSIDE + 1) + pixel_class
    is_near = near.any(0) & ~carved
    outside = torch.where(carved | (free.any(0) & ~near.any(0)), 1.0, -1.0)
    freest = torch.where(known, gap, -2.0).amax(0)
    any_known = known.any(0)
    return ViewReadings(
        surface=torch.where(any_known, torch.where(is_near, mean_surface, outside), 0.0),
        gap=torch.where(any_known, torch.where(is_near, mean_gap, freest), 0.0),
        pixel_class=(rank.amin(0) % (OUTSIDE + 1)).to(torch.uint8),
        weight=weight.amax(0),
    )


def _float(values: list, device: str) -> Tensor:
    return torch.as_tensor(np.array(values), dtype=torch.float32, device=device)
