"""Observation volumes: depth image and masks, sampled at every voxel of the crops' grids.

They are the condition of the network. Here numpy arrays become torch tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from iscene_ros.core.frames import Cube
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.crops import SceneCrops

# Classes of the pixel in front of a voxel; the last one also holds voxels behind the camera.
OWN, OWN_HOLE, OTHER, OTHER_HOLE, ENVIRONMENT, ENVIRONMENT_HOLE, OUTSIDE = range(7)
PIXEL_CLASSES = 7
# Channels: fine and coarse distance, height, free, hidden, and one a pixel class.
CHANNELS = 5 + PIXEL_CLASSES
# Of these the network sees every voxel again next to its output: fine distance, gap, own pixels.
FINE_PLANES = (0, 1, 5)
NEAR_M = 0.01


@dataclass(frozen=True)
class CropVolumes:
    """The observation on the grids of S crops, compact enough to keep thousands of them.

    Attributes:
        surface: (S, R, R, R) float or int8 (times 127): projective signed distance along the
            optical axis, cut at the truncation, positive in front of the surface; 0 = no reading.
        gap: the same, cut at the cube's edge length instead.
        pixel_class: (S, R, R, R) uint8, see the constants of this module.
        support: (S,) float32 height of the support in cube coordinates (-0.5 = the cube's floor).
    """

    surface: Tensor
    gap: Tensor
    pixel_class: Tensor
    support: Tensor

    def with_instances(self, surface: Tensor, gap: Tensor, pixel_class: Tensor) -> CropVolumes:
        """Return the volumes with other readings of all crops but the scene's, the first."""
        parts = zip(
            (self.surface, self.gap, self.pixel_class), (surface, gap, pixel_class), strict=True
        )
        return CropVolumes(*(torch.cat([old[:1], new]) for old, new in parts), self.support)

    def quantised(self) -> CropVolumes:
        """Return the volumes with int8 distances (steps of 1/127)."""
        surface, gap = ((x * 127).round().to(torch.int8) for x in (self.surface, self.gap))
        return CropVolumes(surface, gap, self.pixel_class, self.support)

    def channels(self) -> Tensor:
        """Return the channels of the network as (S, CHANNELS, R, R, R) float32."""
        surface, gap = (_as_float(x) for x in (self.surface, self.gap))
        side = surface.shape[-1]
        axis = (torch.arange(side, device=surface.device) + 0.5) / side - 0.5
        height = (axis - self.support[:, None]).clamp(-1, 1)[:, None, None].expand_as(surface)
        known = surface != 0
        planes = [surface, gap, height, known & (surface >= 0.999), known & (surface <= -0.999)]
        planes = torch.stack([p.float() for p in planes], dim=1)
        classes = F.one_hot(self.pixel_class.long(), PIXEL_CLASSES).movedim(-1, 1)
        return torch.cat([planes, classes.float()], dim=1)


@dataclass(frozen=True)
class DepthView:
    """One rectified depth image and its masks as tensors.

    Attributes:
        depth: (H, W) float32 [m], 0 = no reading.
        own: (S, H, W) bool, the pixels of each crop's instance; for the scene's crop, of all.
        other: (S, H, W) bool, pixels of other instances.
        k: (3, 3) float32 [pixels].
        aligned_from_camera: (3, 3) float32 rotation.
    """

    depth: Tensor
    own: Tensor
    other: Tensor
    k: Tensor
    aligned_from_camera: Tensor


@dataclass(frozen=True)
class CropBatch:
    """S crops of one view as tensors; the scene's crop comes first where there is one.

    Attributes:
        view: depth and masks.
        cubes: the crops' cubes in the gravity-aligned frame.
        centers: (S, 3) float32 [m]; sizes: (S,) float32 [m]; supports: (S,) float32 height [m].
    """

    view: DepthView
    cubes: tuple[Cube, ...]
    centers: Tensor
    sizes: Tensor
    supports: Tensor

    def observe(self, resolution: int, truncation: float) -> CropVolumes:
        """Return the observation volumes of all crops; the truncation is in voxels."""
        return observe_volumes(
            self.view, self.centers, self.sizes, self.supports, resolution, truncation
        )


def crop_batch(
    observation: Observation, crops: SceneCrops, with_scene: bool, device: str = "cpu"
) -> CropBatch:
    """Return the crops of a rectified observation, at least one, with the scene's if wanted."""
    rows = [crop.index for crop in crops.instances]
    own = observation.masks[rows]
    # An instance without a crop still hides the space behind it.
    union = observation.masks.any(axis=0)
    other = _others(observation.masks)[rows]
    cubes = [crop.cube for crop in crops.instances]
    supports = [crop.support_height for crop in crops.instances]
    if with_scene:
        own = np.concatenate([union[None], own])
        other = np.concatenate([np.zeros_like(union)[None], other])
        cubes.insert(0, crops.scene_cube)
        supports.insert(0, crops.scene_support_height)
    view = DepthView(
        depth=torch.from_numpy(observation.depth).to(device),
        own=torch.from_numpy(own).to(device),
        other=torch.from_numpy(other).to(device),
        k=_float(observation.camera.k, device),
        aligned_from_camera=_float(crops.aligned_frame.aligned_from_camera, device),
    )
    return CropBatch(
        view=view,
        cubes=tuple(cubes),
        centers=_float(np.stack([c.center_aligned for c in cubes]), device),
        sizes=_float(np.array([c.size for c in cubes]), device),
        supports=_float(np.array(supports), device),
    )


def observe_volumes(
    view: DepthView,
    centers: Tensor,  # [S, 3] cube centres, gravity-aligned frame [m]
    sizes: Tensor,  # [S] cube edges [m]
    support_heights: Tensor,  # [S] gravity-aligned frame [m]
    resolution: int,
    truncation: float,  # [voxels]
) -> CropVolumes:
    """Project the voxel centres of every crop into the image and read it there."""
    points_camera = voxel_centers(centers, sizes, resolution) @ view.aligned_from_camera
    z = points_camera[..., 2]  # [S, R^3]
    pixel, inside = pixels_of(points_camera, view.k, view.depth.shape)
    depth = view.depth.flatten()[pixel]
    known = inside & (depth > 0)
    own = view.own.flatten(1).gather(1, pixel)
    other = view.other.flatten(1).gather(1, pixel) & ~own
    pixel_class = torch.where(own, OWN, torch.where(other, OTHER, ENVIRONMENT))
    pixel_class = torch.where(depth > 0, pixel_class, pixel_class + 1)
    pixel_class = torch.where(inside, pixel_class, OUTSIDE)
    gap = (depth - z) / sizes[:, None]
    surface = gap * (resolution / truncation)
    grid = (len(sizes), resolution, resolution, resolution)
    return CropVolumes(
        surface=torch.where(known, surface.clamp(-1, 1), 0.0).reshape(grid),
        gap=torch.where(known, gap.clamp(-1, 1), 0.0).reshape(grid),
        pixel_class=pixel_class.to(torch.uint8).reshape(grid),
        support=((support_heights - centers[:, 2]) / sizes).float(),
    )


def voxel_centers(centers: Tensor, sizes: Tensor, resolution: int) -> Tensor:
    """Return the voxel centres (S, R^3, 3) [m] of cubes with centres (S, 3) and edges (S,) [m]."""
    axis = (torch.arange(resolution, device=sizes.device) + 0.5) / resolution - 0.5
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(1, -1, 3)
    return grid * sizes[:, None, None] + centers[:, None]


def pixels_of(points_camera: Tensor, k: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the flat pixel index of points (..., 3) in an image, and which points lie in it."""
    height, width = size
    z = points_camera[..., 2]
    safe_z = z.clamp_min(NEAR_M)
    u = (points_camera[..., 0] * k[0, 0] + points_camera[..., 1] * k[0, 1]) / safe_z + k[0, 2]
    v = points_camera[..., 1] * k[1, 1] / safe_z + k[1, 2]
    u, v = u.round().long(), v.round().long()
    inside = (z > NEAR_M) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    return v.clamp(0, height - 1) * width + u.clamp(0, width - 1), inside


def _as_float(distance: Tensor) -> Tensor:
    return distance.float() / 127 if distance.dtype == torch.int8 else distance


def _others(masks: np.ndarray) -> np.ndarray:
    """Return (N, H, W) bool, True for pixels that belong to another mask."""
    count = masks.sum(axis=0, dtype=np.int32)
    return (count[None] - masks) > 0


def _float(array: np.ndarray, device: str) -> Tensor:
    return torch.as_tensor(np.asarray(array), dtype=torch.float32, device=device)
