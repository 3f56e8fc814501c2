"""The seam between numpy and torch: an observation and its slots as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iscene_ros.core.frames import Cube
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.crops import SceneCrops
from iscene_ros.preprocess.observation_volume import CropVolumes, DepthView, observe_volumes


@dataclass(frozen=True)
class CropBatch:
    """S slots of one view; the scene slot comes first where there is one.

    Attributes:
        view: depth and masks.
        cubes: the slots' cubes in view space.
        centers: (S, 3) float32 [m]; sizes: (S,) float32 [m]; supports: (S,) float32 height [m].
    """

    view: DepthView
    cubes: tuple[Cube, ...]
    centers: Tensor
    sizes: Tensor
    supports: Tensor

    def observe(self, resolution: int, truncation: float) -> CropVolumes:
        """The observation volumes of all slots; truncation in voxels."""
        return observe_volumes(
            self.view, self.centers, self.sizes, self.supports, resolution, truncation
        )


def crop_batch(
    observation: Observation, plan: SceneCrops, with_scene_slot: bool, device: str = "cpu"
) -> CropBatch:
    """The slots of a rectified observation; `plan` must hold at least one instance."""
    rows = [slot.index for slot in plan.instances]
    own = observation.masks[rows]
    # An instance that could not get a slot of its own still hides what is behind it.
    union = observation.masks.any(axis=0)
    other = _others(observation.masks)[rows]
    cubes = [slot.cube for slot in plan.instances]
    supports = [slot.support_height for slot in plan.instances]
    if with_scene_slot:
        own = np.concatenate([union[None], own])
        other = np.concatenate([np.zeros_like(union)[None], other])
        cubes.insert(0, plan.scene_cube)
        supports.insert(0, plan.scene_support_height)
    view = DepthView(
        depth=torch.from_numpy(observation.depth).to(device),
        own=torch.from_numpy(own).to(device),
        other=torch.from_numpy(other).to(device),
        k=_float(observation.camera.k, device),
        aligned_from_camera=_float(plan.aligned_frame.aligned_from_camera, device),
    )
    return CropBatch(
        view=view,
        cubes=tuple(cubes),
        centers=_float(np.stack([c.center_aligned for c in cubes]), device),
        sizes=_float(np.array([c.size for c in cubes]), device),
        supports=_float(np.array(supports), device),
    )


def _others(masks: np.ndarray) -> np.ndarray:
    """(N, H, W) bool: pixels that belong to some other mask."""
    count = masks.sum(axis=0, dtype=np.int32)
    return (count[None] - masks) > 0


def _float(array: np.ndarray, device: str) -> Tensor:
    return torch.as_tensor(np.asarray(array), dtype=torch.float32, device=device)
