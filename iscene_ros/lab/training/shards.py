"""Samples on disk: compressed files, deterministic by seed and number."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from iscene_ros.core.atomic_files import new_file
from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.samples import SampleOptions, Samples, draw_samples
from iscene_ros.preprocess.view_readings import ObservationVolumes

# Level of zlib.
COMPRESSION = 1


@dataclass(frozen=True)
class ShardSet:
    """One set of samples.

    Attributes:
        directory: Folder of its files.
        count: Number of files.
        scenes: Scenes in each file.
        seed: Seed of the set.
        samples: Ranges of the generators.
    """

    directory: Path
    count: int
    scenes: int
    seed: int
    samples: SampleOptions

    def path(self, index: int) -> Path:
        """Return the file of shard `index`."""
        return Path(self.directory) / f"{index:05d}.z"


def write_shard(shards: ShardSet, index: int, device: str = "cpu") -> Path:
    """Make shard `index` unless it exists; its bytes depend on the seed and the index alone."""
    path = shards.path(index)
    if path.exists():
        return path
    rng = np.random.default_rng([shards.seed, index])
    drawn: list[Samples] = []
    for _ in range(shards.scenes):
        drawn += draw_samples(rng, shards.samples, device)
    with new_file(path) as temporary:
        temporary.write_bytes(zlib.compress(save(sample_tensors(joined(drawn))), COMPRESSION))
    return path


def read_shard(path: Path) -> Samples:
    """Return the samples of a file of `write_shard`.

    Raises:
        InputError: it is damaged, or of an earlier version.
    """
    try:
        return samples_of(load(zlib.decompress(path.read_bytes())))
    except (OSError, KeyError, zlib.error, SafetensorError) as error:
        raise InputError(f"{path}: no samples of this version ({error}); delete it") from error


def joined(parts: Sequence[Samples]) -> Samples:
    """Return all samples of the parts, at least one."""
    tables = [sample_tensors(part) for part in parts]
    return samples_of({name: torch.cat([t[name] for t in tables]) for name in tables[0]})


def missing_shards(sets: Sequence[ShardSet]) -> Iterator[tuple[ShardSet, int]]:
    """Yield the shards that do not exist yet; each set is spread evenly over the whole."""
    places = [((n + 0.5) / s.count, k, n) for k, s in enumerate(sets) for n in range(s.count)]
    for _, k, n in sorted(places):
        if not sets[k].path(n).exists():
            yield sets[k], n


def existing_shards(sets: Sequence[ShardSet]) -> list[Path]:
    """Return the files of the shards that exist, of all sets."""
    return [s.path(n) for s in sets for n in range(s.count) if s.path(n).exists()]


def sample_tensors(samples: Samples) -> dict[str, torch.Tensor]:
    """Return all tensors of samples by name, each with S rows."""
    v = samples.volumes
    return {
        "surface": v.surface,
        "gap": v.gap,
        "pixel_class": v.pixel_class,
        "support": v.support,
        "target": samples.target,
        "views": samples.views,
    }


def samples_of(tensors: dict[str, torch.Tensor]) -> Samples:
    """Return the samples of tensors as of `sample_tensors`."""
    t = tensors
    volumes = ObservationVolumes(t["surface"], t["gap"], t["pixel_class"], t["support"])
    return Samples(volumes, t["target"], t["views"])
