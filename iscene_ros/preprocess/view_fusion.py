"""Fusion of several views of the same crops, voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    sums = _Sums.of_one(views[0])
    for view in views[1:]:
        sums.add(_Sums.of_one(view))
    return sums.fused()


@dataclass
class _Sums:
    """What some views say together, (S, R, R, R) each; sums in whole numbers have no order.

    Attributes:
        share, surface, gap: int64 sums of weights, and of distances times weights.
        carved, near, free, known: bool, whether any view has such a reading.
        freest: float32 largest gap; -2 = no reading.
        rank: int32, the smallest belongs to the view whose pixel class is taken.
        weight: float32, the largest.
    """

    share: Tensor
    surface: Tensor
    gap: Tensor
    carved: Tensor
    near: Tensor
    free: Tensor
    known: Tensor
    freest: Tensor
    rank: Tensor
    weight: Tensor

    @classmethod
    def of_one(cls, view: ViewReadings) -> _Sums:
        """Return the sums of a single view."""
        known = view.weight > 0
        is_free = view.surface >= CUT
        free, near = known & is_free, known & (view.surface.abs() < CUT)
        closeness = torch.where(near, 1 + LEAST_NEAR - view.surface.abs(), FAR_NEAR)
        share = view.weight * closeness * ONE
        share *= near | free
        # Without a reading the class alone decides: an own pixel's hole before another's.
        distance = torch.where(known, view.gap.abs(), 4.0)
        rank = (distance * 2**20).int() * (OUTSIDE + 1) + view.pixel_class
        return cls(
            share=share.long(),
            surface=(share * view.surface).long(),
            gap=(share * view.gap).long(),
            carved=free & (view.weight >= TRUSTED),
            near=near,
            free=free,
            known=known,
            freest=torch.where(known, view.gap, -2.0),
            rank=rank,
            weight=view.weight,
        )

    def add(self, other: _Sums) -> None:
        """Add the sums of further views."""
        for name in ("share", "surface", "gap"):
            getattr(self, name).add_(getattr(other, name))
        for name in ("carved", "near", "free", "known"):
            getattr(self, name).logical_or_(getattr(other, name))
        self.freest = torch.maximum(self.freest, other.freest)
        self.rank = torch.minimum(self.rank, other.rank)
        self.weight = torch.maximum(self.weight, other.weight)

    def fused(self) -> ViewReadings:
        """Return the readings of all views together."""
        total = self.share.clamp_min(1)
        is_near = self.near & ~self.carved
        is_free = self.carved | (self.free & ~self.near)
        outside = torch.where(is_free, 1.0, -1.0)
        surface = torch.where(is_near, self.surface / total, outside)
        gap = torch.where(is_near, self.gap / total, self.freest)
        return ViewReadings(
            surface=torch.where(self.known, surface, 0.0),
            gap=torch.where(self.known, gap, 0.0),
            pixel_class=(self.rank % (OUTSIDE + 1)).to(torch.uint8),
            weight=self.weight,
        )


def _float(values: list, device: str) -> Tensor:
    return torch.as_tensor(np.array(values), dtype=torch.float32, device=device)
