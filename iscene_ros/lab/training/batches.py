"""Views of varying size, packed into batches of slots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iscene_ros.lab.training.draws import BatchDraws, batch_draws
from iscene_ros.lab.training.samples import CropSamples
from iscene_ros.lab.training.shards import ShardSet
from iscene_ros.models.mini.network import token_positions
from iscene_ros.preprocess.observation_volume import CropVolumes


@dataclass(frozen=True)
class TrainingBatch:
    """Slots of several views, the scene slots first.

    Attributes:
        volume: (S, CHANNELS, R, R, R) float32.
        target: (S, R, R, R) float32 in [-1, 1].
        positions: (S, L, 4) float32 token positions.
        scene_of_slot: (N,) int64 row of the scene slot of each of the last N rows, or None where
            there are no scene slots.
    """

    volume: Tensor
    target: Tensor
    positions: Tensor
    scene_of_slot: Tensor | None


def shard_order(count: int, seed: int, start: int, stride: int = 1) -> Iterator[tuple[int, int]]:
    """(step of the order, shard index) for ever: first in order of making, then shuffled passes.

    With a stride, only every `stride`-th step: the others belong to other processes.
    """
    position = start
    while True:
        lap, place = divmod(position, count)
        order = np.arange(count)
        if lap:
            order = np.random.default_rng([seed, lap]).permutation(count)
        yield position, int(order[place])
        position += stride


@dataclass(frozen=True)
class Place:
    """Where the endless stream of packed views stands: a shard of the order, a pack of it."""

    shard: int = 0
    pack: int = 0


@dataclass(frozen=True)
class Pack:
    """Views for one step.

    Attributes:
        views: with together at most as many slots as a batch has room for.
        keys: (step of the order of shards, number in the shard) of each view.
        after: where the stream stands behind it.
        draws: the random numbers of the step.
    """

    views: list[CropSamples]
    keys: list[tuple[int, int]]
    after: Place
    draws: BatchDraws


def packed_views(
    shards: ShardSet, start: Place, slots: int, stride: int = 1, seed: int = 0
) -> Iterator[Pack]:
    """Packs of at most `slots` slots for ever, from `start` on; `seed` is that of their draws."""
    for position, index in shard_order(len(shards), shards.seed, start.shard, stride):
        views = shards.read(index)
        packs = _packs(views, shards.seed, position, slots)
        first = start.pack if position == start.shard else 0
        for number in range(first, len(packs)):
            last = number + 1 == len(packs)
            after = Place(position + stride) if last else Place(position, number + 1)
            chosen = [views[i] for i in packs[number]]
            keys = [(position, int(i)) for i in packs[number]]
            yield Pack(chosen, keys, after, batch_draws(chosen, keys, seed))


def _packs(views: list[CropSamples], seed: int, position: int, slots: int) -> list[list[int]]:
    order = np.random.default_rng([seed, position, 1]).permutation(len(views))
    packs: list[list[int]] = []
    room = 0
    for i in order:
        needed = len(views[i].target)
        if needed > room:
            packs.append([])
            room = slots
        packs[-1].append(i)
        room -= needed
    return packs


def make_batch(
    views: list[CropSamples], tokens_per_side: int, mirror: np.ndarray, device: torch.device
) -> TrainingBatch:
    """Stack views; those with mirror (len(views),) bool are reflected left to right."""
    views = [_mirrored(v) if m else v for v, m in zip(views, mirror, strict=True)]
    with_scene = views[0].has_scene_slot
    scene_rows = [0] if with_scene else []
    first = [_rows(v, slice(0, len(scene_rows))) for v in views]
    rest = [_rows(v, slice(len(scene_rows), None)) for v in views]
    volumes, target, centers, sizes = _stacked((first if with_scene else []) + rest, device)
    scene_of_slot = None
    if with_scene:
        counts = torch.tensor([len(v.target) - 1 for v in views], device=device)
        numbers = torch.arange(len(views), device=device)
        scene_of_slot = numbers.repeat_interleave(counts)
        own_scene = torch.cat([numbers, scene_of_slot])
        scene_centers, scene_sizes = centers[own_scene], sizes[own_scene]
    else:
        scene_centers, scene_sizes = centers, sizes
    return TrainingBatch(
        volume=volumes.channels(),
        target=target.float() / 127,
        positions=token_positions(centers, sizes, scene_centers, scene_sizes, tokens_per_side),
        scene_of_slot=scene_of_slot,
    )


def _mirrored(view: CropSamples) -> CropSamples:
    """Left and right exchanged: x -> -x about the camera's vertical plane."""
    volumes = view.volumes
    flipped = CropVolumes(
        volumes.surface.flip(1), volumes.gap.flip(1), volumes.pixel_class.flip(1), volumes.support
    )
    centers = view.centers * torch.tensor([-1.0, 1.0, 1.0])
    return CropSamples(flipped, view.target.flip(1), centers, view.sizes, view.has_scene_slot)


def _rows(view: CropSamples, rows: slice) -> CropSamples:
    v = view.volumes
    volumes = CropVolumes(v.surface[rows], v.gap[rows], v.pixel_class[rows], v.support[rows])
    return CropSamples(volumes, view.target[rows], view.centers[rows], view.sizes[rows], False)


def _stacked(
    parts: list[CropSamples], device: torch.device
) -> tuple[CropVolumes, Tensor, Tensor, Tensor]:
    def cat(tensors: list[Tensor]) -> Tensor:
        return torch.cat(tensors).to(device, non_blocking=True)

    volumes = CropVolumes(
        cat([p.volumes.surface for p in parts]),
        cat([p.volumes.gap for p in parts]),
        cat([p.volumes.pixel_class for p in parts]),
        cat([p.volumes.support for p in parts]),
    )
    target = cat([p.target for p in parts])
    return volumes, target, cat([p.centers for p in parts]), cat([p.sizes for p in parts])
