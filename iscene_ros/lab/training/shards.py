"""Samples on disk: compressed files, deterministic by seed and number, and their makers."""

from __future__ import annotations

import multiprocessing
import signal
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from iscene_ros.core.atomic_files import new_file
from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.samples import SampleOptions, Samples, draw_samples, joined

# Level of zlib.
COMPRESSION = 1
# Where all scenes of a shard are empty, further ones are drawn, up to so many times as many.
MOST_DRAWN = 10


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
        return self.directory / f"{index:05d}.z"


def write_shard(shards: ShardSet, index: int) -> Path:
    """Make shard `index` unless it exists; its bytes depend on the seed and the index alone.

    Raises:
        InputError: Nothing is visible in any scene.
    """
    path = shards.path(index)
    if path.exists():
        return path
    rng = np.random.default_rng([shards.seed, index])
    drawn: list[Samples] = []
    for number in range(MOST_DRAWN * shards.scenes):
        if number >= shards.scenes and drawn:
            break
        drawn += draw_samples(rng, shards.samples)
    if not drawn:
        raise InputError(f"{path}: no object is visible in these scenes; change the set's `base`")
    with new_file(path) as temporary:
        temporary.write_bytes(zlib.compress(save(joined(drawn).tensors()), COMPRESSION))
    return path


def read_shard(path: Path) -> Samples:
    """Return the samples of a file of `write_shard`.

    Raises:
        InputError: it is damaged, or of an earlier version.
    """
    try:
        return Samples.from_tensors(load(zlib.decompress(path.read_bytes())))
    except (OSError, KeyError, zlib.error, SafetensorError) as error:
        raise InputError(f"{path}: no samples of this version ({error}); delete it") from error


def missing_shards(sets: Sequence[ShardSet]) -> Iterator[tuple[ShardSet, int]]:
    """Yield the shards that do not exist yet; each set is spread evenly over the whole."""
    places = [((n + 0.5) / s.count, k, n) for k, s in enumerate(sets) for n in range(s.count)]
    for _, k, n in sorted(places):
        if not sets[k].path(n).exists():
            yield sets[k], n


def existing_shards(sets: Sequence[ShardSet]) -> list[Path]:
    """Return the files of the shards that exist, of all sets."""
    return [s.path(n) for s in sets for n in range(s.count) if s.path(n).exists()]


@contextmanager
def shard_makers(groups: Sequence[Sequence[ShardSet]], count: int) -> Iterator[list[BaseProcess]]:
    """Yield processes that make the missing shards, group by group; they are stopped at the end."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_make, args=(groups, number, count), daemon=True)
        for number in range(count)
    ]
    for process in processes:
        process.start()
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(5)


def _make(groups: Sequence[Sequence[ShardSet]], first: int, stride: int) -> None:
    """Make a share of the missing shards."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    missing = [shard for sets in groups for shard in missing_shards(sets)]
    for shards, number in islice(missing, first, None, stride):
        write_shard(shards, number)
