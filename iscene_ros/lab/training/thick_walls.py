"""Signed distances on the grid of a crop whose walls have a least thickness.

A wall thinner than a voxel has no voxel centre inside. In the training target it is grown evenly to
both sides until it is `WALL_VOXELS` thick; cavities stay open, thick parts stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# Least thickness of a wall [voxels].
WALL_VOXELS = 1.3
# Exact distances are computed within this many fine voxels of the surface, beyond it they are
# interpolated from a grid of half the resolution.
EXACT_VOXELS = 3.0
# The growth fades out between these distances from the surface [voxels].
FULL_GROWTH, NO_GROWTH = 1.0, 2.5
# Depths at which the thickness is probed, as shares of half the least thickness.
PROBES = (1.0, 0.75, 0.5, 0.25, 1.5)

Distance = Callable[[Tensor], Tensor]


def crop_distance(
    distance: Distance,
    points: Callable[[int], Tensor],
    voxel: float,
    resolution: int,
    wall_voxels: float = WALL_VOXELS,
) -> Tensor:
    """Return the signed distance (R, R, R) float32 [voxels] at the voxel centres of a crop.

    Args:
        distance: of (M, 3) points [m], (M,) [m].
        points: (R^3, 3) voxel centres of the crop on a grid of a resolution [m].
        voxel: edge of a voxel [m].
        resolution: R, even.
        wall_voxels: least thickness of a wall; 0 = no growth.
    """
    half = resolution // 2
    coarse = distance(points(half)).reshape(1, 1, half, half, half) / voxel
    fine = F.interpolate(
        coarse, size=(resolution,) * 3, mode="trilinear", align_corners=False
    ).flatten()
    near = (fine.abs() < EXACT_VOXELS).nonzero()[:, 0]
    at = points(resolution)[near]
    exact = distance(at) / voxel
    if wall_voxels > 0:
        exact = exact - wall_growth(distance, at, exact, voxel, wall_voxels)
    fine[near] = exact
    return fine.reshape(resolution, resolution, resolution)


def wall_growth(
    distance: Distance, points: Tensor, exact: Tensor, voxel: float, wall_voxels: float
) -> Tensor:
    """Return the growth (M,) [voxels] of walls near points (M, 3) of known distance [voxels]."""
    growth = torch.zeros_like(exact)
    close = (exact.abs() < NO_GROWTH).nonzero()[:, 0]
    if not len(close):
        return growth
    foot, inward = _feet(distance, points[close], exact[close], voxel)
    wanted = 0.5 * wall_voxels
    depth = torch.full_like(exact[close], -torch.inf)
    thin = torch.arange(len(close))
    for share in PROBES:
        probe = foot[thin] + (share * wanted * voxel) * inward[thin]
        depth[thin] = torch.maximum(depth[thin], -distance(probe) / voxel)
        # A probe nearly as deep as its distance from the surface lies in a thick part.
        thin = thin[depth[thin] < 0.9 * wanted]
        if not len(thin):
            break
    lacking = (wanted - depth.clamp_min(0.0)).clamp(0.0, wanted)
    lacking = torch.where(depth < 0.9 * wanted, lacking, torch.zeros_like(lacking))
    fade = ((NO_GROWTH - exact[close].abs()) / (NO_GROWTH - FULL_GROWTH)).clamp(0.0, 1.0)
    growth[close] = lacking * fade
    return growth


def _feet(distance: Distance, points: Tensor, exact: Tensor, voxel: float) -> tuple[Tensor, Tensor]:
    """Return the nearest surface points (M, 3) [m] and the unit directions into the solid."""
    step = 0.05 * voxel
    moved = (points[None] + step * torch.eye(3)[:, None]).reshape(-1, 3)
    ahead = distance(moved).reshape(3, -1).T
    outward = (ahead - exact[:, None] * voxel) / step
    outward = outward / outward.norm(dim=1, keepdim=True).clamp_min(1e-6)
    return points - exact[:, None] * voxel * outward, -outward
