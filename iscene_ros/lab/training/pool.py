"""A pool of samples on the training device, filled while they are made."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from iscene_ros.lab.training.batch_stream import mirrored
from iscene_ros.lab.training.samples import Samples
from iscene_ros.lab.training.shards import read_shard, sample_tensors, samples_of

POLL_SECONDS = 0.5


class SamplePool:
    """Up to `capacity` samples on a device; the oldest make room for new ones.

    Attributes:
        count: Number of samples in the pool.
        total: Number of samples ever added.
    """

    def __init__(self, capacity: int, device: torch.device, seed: int = 0) -> None:
        self.capacity, self.device = capacity, device
        self.count = self.total = 0
        self._tensors: dict[str, Tensor] = {}
        self._generator = torch.Generator(device).manual_seed(seed)
        self._coin = random.Random(seed)

    def add(self, samples: Samples) -> None:
        """Keep the samples; where there is no room, they replace the oldest."""
        tensors = sample_tensors(samples)
        number = len(samples.target)
        if not self._tensors:
            self._tensors = {
                name: torch.empty((self.capacity, *t.shape[1:]), dtype=t.dtype, device=self.device)
                for name, t in tensors.items()
            }
        places = torch.arange(self.total, self.total + number) % self.capacity
        for name, tensor in tensors.items():
            self._tensors[name][places.to(self.device)] = tensor.to(self.device, non_blocking=True)
        self.total += number
        self.count = min(self.total, self.capacity)

    def draw(self, batch: int) -> Samples:
        """Draw random samples; mirrored half of the time."""
        rows = torch.randint(self.count, (batch,), generator=self._generator, device=self.device)
        samples = samples_of({name: tensor[rows] for name, tensor in self._tensors.items()})
        return mirrored(samples) if self._coin.random() < 0.5 else samples


class PoolFiller:
    """Reads shards as soon as they are made, in a thread; its owner alone touches the pool."""

    def __init__(self, made: Callable[[], list[Path]]) -> None:
        self._made = made
        self._read: set[Path] = set()
        self._samples: queue.Queue[Samples] = queue.Queue(maxsize=4)
        threading.Thread(target=self._run, daemon=True).start()

    def move_into(self, pool: SamplePool) -> None:
        """Move the samples read since the last call into the pool."""
        while not self._samples.empty():
            pool.add(self._samples.get())

    def _run(self) -> None:
        while True:
            new = [path for path in self._made() if path not in self._read]
            for path in new:
                self._samples.put(read_shard(path))
                self._read.add(path)
            if not new:
                time.sleep(POLL_SECONDS)
