"""Training batches: crops of several views stacked as tensors, and the noise of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iscene_ros.lab.training.samples import CropSamples
from iscene_ros.models.mini.network import token_positions
from iscene_ros.preprocess.observation_volume import CropVolumes


@dataclass(frozen=True)
class TrainingBatch:
    """Crops of several views, the scene crops first.

    Attributes:
        volume: (S, CHANNELS, R, R, R) float32.
        target: (S, R, R, R) float32 in [-1, 1].
        positions: (S, L, 4) float32 token positions.
        scene_of_crop: (N,) int64, for each of the last N rows the row of its scene crop; None where
            there are no scene crops.
    """

    volume: Tensor
    target: Tensor
    positions: Tensor
    scene_of_crop: Tensor | None

    @property
    def scene_count(self) -> int:
        """Number of scene crops, which are the first rows."""
        return 0 if self.scene_of_crop is None else len(self.target) - len(self.scene_of_crop)


@dataclass(frozen=True)
class StepNoise:
    """Random numbers of one training step over V views with S crops in total.

    Attributes:
        mirror: (V,) bool, the views that are reflected left to right.
        time: (S,) float32, standard normal; the objective turns it into the time of the flow.
        pure: (S,) float32, uniform in [0, 1); selects the crops that are trained at pure noise.
        voxels: (S, R, R, R) float32, standard normal noise of the flow.
    """

    mirror: np.ndarray
    time: Tensor
    pure: Tensor
    voxels: Tensor

    def to(self, device: torch.device) -> StepNoise:
        """Return the same numbers on a device."""
        moved = (t.to(device, non_blocking=True) for t in (self.time, self.pure, self.voxels))
        return StepNoise(self.mirror, *moved)


def step_noise(views: Sequence[CropSamples], seed: Sequence[int]) -> StepNoise:
    """Draw the random numbers of a step over some views; they depend on the seed alone."""
    state = np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0]) >> 1)
    crops = sum(len(view.target) for view in views)
    resolution = views[0].target.shape[-1]
    return StepNoise(
        mirror=(torch.rand(len(views), generator=generator) < 0.5).numpy(),
        time=torch.randn(crops, generator=generator),
        pure=torch.rand(crops, generator=generator),
        voxels=torch.randn((crops, *(resolution,) * 3), generator=generator),
    )


def make_batch(
    views: Sequence[CropSamples], tokens_per_side: int, mirror: np.ndarray, device: torch.device
) -> TrainingBatch:
    """Stack the crops of views.

    Args:
        views: Samples that all have a scene crop, or none of which has one.
        tokens_per_side: Tokens along a side of a crop's grid.
        mirror: (len(views),) bool, the views that are reflected left to right.
        device: Device of the batch.
    """
    views = [_mirrored(v) if m else v for v, m in zip(views, mirror, strict=True)]
    with_scene = views[0].has_scene_crop
    parts = [_rows(v, slice(int(with_scene), None)) for v in views]
    if with_scene:
        parts = [_rows(v, slice(0, 1)) for v in views] + parts
    crops = _stacked(parts, device)
    scene_of_crop = None
    scene_centers, scene_sizes = crops.centers, crops.sizes
    if with_scene:
        counts = torch.tensor([len(v.target) - 1 for v in views], device=device)
        scenes = torch.arange(len(views), device=device)
        scene_of_crop = scenes.repeat_interleave(counts)
        own_scene = torch.cat([scenes, scene_of_crop])
        scene_centers, scene_sizes = crops.centers[own_scene], crops.sizes[own_scene]
    positions = token_positions(
        crops.centers, crops.sizes, scene_centers, scene_sizes, tokens_per_side
    )
    return TrainingBatch(
        volume=crops.volumes.channels(),
        target=crops.target.float() / 127,
        positions=positions,
        scene_of_crop=scene_of_crop,
    )


def _mirrored(view: CropSamples) -> CropSamples:
    """Reflect a view about the camera's vertical plane: x becomes -x."""
    v = view.volumes
    flipped = CropVolumes(v.surface.flip(1), v.gap.flip(1), v.pixel_class.flip(1), v.support)
    centers = view.centers * torch.tensor([-1.0, 1.0, 1.0])
    return CropSamples(flipped, view.target.flip(1), centers, view.sizes, view.has_scene_crop)


def _rows(view: CropSamples, rows: slice) -> CropSamples:
    v = view.volumes
    volumes = CropVolumes(v.surface[rows], v.gap[rows], v.pixel_class[rows], v.support[rows])
    return CropSamples(volumes, view.target[rows], view.centers[rows], view.sizes[rows], False)


def _stacked(parts: list[CropSamples], device: torch.device) -> CropSamples:
    def cat(tensors: list[Tensor]) -> Tensor:
        return torch.cat(tensors).to(device, non_blocking=True)

    volumes = CropVolumes(
        cat([p.volumes.surface for p in parts]),
        cat([p.volumes.gap for p in parts]),
        cat([p.volumes.pixel_class for p in parts]),
        cat([p.volumes.support for p in parts]),
    )
    target = cat([p.target for p in parts])
    centers, sizes = cat([p.centers for p in parts]), cat([p.sizes for p in parts])
    return CropSamples(volumes, target, centers, sizes, False)
