"""Fusion of several views of the same crops, voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from iscene_ros.preprocess.observation_volume import OUTSIDE
from iscene_ros.preprocess.view_readings import TRUSTED, ViewReadings

# From here on a distance is cut: free in front of a surface, or hidden behind it.
CUT = 0.999
# A reading at the truncation still counts this much against one at the surface.
LEAST_NEAR = 0.05
# Untrusted free readings count as a distance of one with this share of their weight.
UNTRUSTED_SHARE = 0.2


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
    surface, gap, weight = (_stacked(views, name) for name in ("surface", "gap", "weight"))
    known = weight > 0
    free = known & (surface >= CUT)
    near = known & (surface.abs() < CUT)
    carved = (free & (weight >= TRUSTED)).any(0)
    averaged = near | free
    closeness = torch.where(near, 1 + LEAST_NEAR - surface.abs(), UNTRUSTED_SHARE * LEAST_NEAR)
    share = torch.where(averaged, weight * closeness, torch.zeros_like(weight))
    total = _ordered_sum(share)
    mean = _ordered_sum(share * surface) / total.clamp_min(1e-12)
    mean_gap = _ordered_sum(share * gap) / total.clamp_min(1e-12)
    freest = torch.where(known, gap, torch.full_like(gap, -2)).amax(0)
    is_near = near.any(0) & ~carved
    is_free = carved | (free.any(0) & ~near.any(0))
    is_known = known.any(0)
    nothing = torch.zeros_like(mean)
    fused = torch.where(is_free, nothing + 1, torch.where(is_near, mean, nothing - 1))
    fused_gap = torch.where(is_near, mean_gap, freest)
    return ViewReadings(
        surface=torch.where(is_known, fused, nothing),
        gap=torch.where(is_known, fused_gap, nothing),
        pixel_class=_nearest_class(views, gap, known),
        weight=weight.amax(0),
    )


def _stacked(views: Sequence[ViewReadings], name: str) -> Tensor:
    return torch.stack([getattr(view, name) for view in views])


def _ordered_sum(terms: Tensor) -> Tensor:
    """Return the sum over the first axis, to the bit the same for every order of it."""
    return terms.sort(0).values.sum(0)


def _nearest_class(views: Sequence[ViewReadings], gap: Tensor, known: Tensor) -> Tensor:
    """Return the class (S, R, R, R) of the reading closest to each voxel."""
    classes = _stacked(views, "pixel_class").long()
    # Without a reading the class alone decides: an own pixel's hole before another's.
    distance = torch.where(known, gap.abs(), torch.full_like(gap, 4.0))
    rank = (distance * 2**20).round().long() * (OUTSIDE + 1) + classes
    return (rank.amin(0) % (OUTSIDE + 1)).to(torch.uint8)
