"""Samples on disk, made once by worker processes and read many times; deterministic by seed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from iscene_ros.core.atomic_files import new_file
from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.samples import CropSamples, SampleOptions, draw_view, sample_crops
from iscene_ros.preprocess.observation_volume import CropVolumes


@dataclass(frozen=True)
class ShardOptions:
    """One set of samples.

    Attributes:
        directory: Folder of its shards.
        count: Number of shards.
        views: Views in one shard.
        seed: Seed of the whole set.
        resolution, truncation: Numbers of the grids, as in `MiniConfig`.
        samples: Options of the samples.
        device: Torch device that signed distances and volumes are computed on, on which the last
            bits of a sample depend. Samples are on the CPU.
    """

    directory: Path
    count: int
    views: int
    seed: int
    resolution: int
    truncation: float
    samples: SampleOptions
    device: str = "cpu"

    def path(self, index: int) -> Path:
        """Return the file of shard `index`."""
        return Path(self.directory) / f"{index:05d}.safetensors"


def write_shard(options: ShardOptions, index: int) -> Path:
    """Make shard `index` unless it exists; its bytes depend on the seed and the index alone."""
    path = options.path(index)
    if path.exists():
        return path
    rng = np.random.default_rng([options.seed, index])
    drawn = [_draw_sample(rng, options) for _ in range(options.views)]
    tensors = _concatenated([sample for sample in drawn if sample is not None])
    with new_file(path) as temporary:
        save_file(tensors, temporary)
    return path


def read_shard(options: ShardOptions, index: int) -> list[CropSamples]:
    """Read the views of shard `index`, which must exist.

    Raises:
        InputError: Its grids have another resolution.
    """
    path = options.path(index)
    tensors = load_file(path)
    if tensors["surface"].shape[-1] != options.resolution:
        raise InputError(
            f"{path}: grids of {tensors['surface'].shape[-1]}^3, expected {options.resolution}^3; "
            "delete the folder or choose another `cache`"
        )
    return _split(tensors)


class ShardSet:
    """All shards of several sets, which are spread evenly among each other.

    Worker processes make missing shards ahead of the reader; without workers, a shard is made when
    it is read.

    Attributes:
        seed: Seed of the first set; the order in which shards are read depends on it.
    """

    def __init__(self, sets: Sequence[ShardOptions], workers: int) -> None:
        self.seed = sets[0].seed
        self._shards = _interleaved(sets)
        missing = [i for i in range(len(self)) if not self._path(i).exists()]
        self._pool = None
        self._jobs: dict[int, Future] = {}
        if missing and workers:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(workers, context, initializer=_start_worker)
            self._jobs = {i: self._pool.submit(write_shard, *self._shards[i]) for i in missing}

    def __len__(self) -> int:
        return len(self._shards)

    def read(self, index: int) -> list[CropSamples]:
        """Return the views of shard `index`; raises what its worker raised."""
        if index in self._jobs:
            self._jobs[index].result()
        elif not self._path(index).exists():
            write_shard(*self._shards[index])
        return read_shard(*self._shards[index])

    def close(self) -> None:
        """Stop the workers; finished shards stay."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _path(self, index: int) -> Path:
        options, number = self._shards[index]
        return options.path(number)


def _interleaved(sets: Sequence[ShardOptions]) -> list[tuple[ShardOptions, int]]:
    """Merge the shards of all sets; each set keeps its order and is spread over the whole."""
    keyed = [((n + 0.5) / s.count, k, n) for k, s in enumerate(sets) for n in range(s.count)]
    return [(sets[k], n) for _, k, n in sorted(keyed)]


def _start_worker() -> None:
    """Leave the cores to the training, and Ctrl-C to the process that trains."""
    os.nice(5)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _draw_sample(rng: np.random.Generator, options: ShardOptions) -> CropSamples | None:
    try:
        view = draw_view(rng, options.samples, options.device)
    except InputError:  # the camera ended up within millimetres of something
        return None
    return sample_crops(
        view, options.samples, options.resolution, options.truncation, options.device
    )


def _concatenated(samples: list[CropSamples]) -> dict[str, Tensor]:
    return {
        "surface": torch.cat([s.volumes.surface for s in samples]),
        "gap": torch.cat([s.volumes.gap for s in samples]),
        "pixel_class": torch.cat([s.volumes.pixel_class for s in samples]),
        "support": torch.cat([s.volumes.support for s in samples]),
        "target": torch.cat([s.target for s in samples]),
        "centers": torch.cat([s.centers for s in samples]),
        "sizes": torch.cat([s.sizes for s in samples]),
        "crops": torch.tensor([len(s.target) for s in samples]),
        "has_scene_crop": torch.tensor([s.has_scene_crop for s in samples]),
    }


def _split(tensors: dict[str, Tensor]) -> list[CropSamples]:
    lengths = tensors["crops"].tolist()
    parts = {
        k: v.split(lengths) for k, v in tensors.items() if k not in ("crops", "has_scene_crop")
    }
    return [
        CropSamples(
            CropVolumes(
                parts["surface"][i], parts["gap"][i], parts["pixel_class"][i], parts["support"][i]
            ),
            parts["target"][i],
            parts["centers"][i],
            parts["sizes"][i],
            bool(tensors["has_scene_crop"][i]),
        )
        for i in range(len(lengths))
    ]
