"""An endless stream of batches from the shards that were read least, mixed and mirrored."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from iscene_ros.lab.training.samples import Samples, joined
from iscene_ros.lab.training.shards import read_shard

# Number of shards that are mixed with each other.
MIXED = 3
WAIT_SECONDS = 5.0


class BatchStream:
    """Batches of samples, read ahead by a thread.

    Attributes:
        uses: Number of times each shard was read, by its path under the cache; saved with the run.
    """

    def __init__(
        self,
        made: Callable[[], list[Path]],
        cache: Path,
        batch: int,
        seed: int,
        uses: dict[str, int],
    ) -> None:
        self.made, self.cache, self.batch = made, cache, batch
        self.uses = dict(uses)
        self.rng = np.random.default_rng([seed, sum(self.uses.values())])
        self._batches: queue.Queue[Samples | Exception] = queue.Queue(maxsize=4)
        threading.Thread(target=self._run, daemon=True).start()

    def __iter__(self) -> Iterator[Samples]:
        """Yield batches without end.

        Raises:
            InputError: a shard cannot be read.
        """
        while True:
            batch = self._batches.get()
            if isinstance(batch, Exception):
                raise batch
            yield batch

    def _run(self) -> None:
        try:
            while True:
                self._fill()
        except Exception as error:  # raised where the batches are read
            self._batches.put(error)

    def _fill(self) -> None:
        """Put the batches of the next shards into the queue."""
        paths = self._next_paths()
        if not paths:
            time.sleep(WAIT_SECONDS)
            return
        samples = joined([read_shard(path) for path in paths])
        order = torch.from_numpy(self.rng.permutation(len(samples.target)))
        for rows in order.split(self.batch):
            if len(rows) == self.batch or len(order) < self.batch:
                batch = samples.rows(rows)
                self._batches.put(batch if self.rng.random() < 0.5 else batch.mirrored())
        for path in paths:
            key = str(path.relative_to(self.cache))
            self.uses[key] = self.uses.get(key, 0) + 1

    def _next_paths(self) -> list[Path]:
        paths = self.made()
        counts = [self.uses.get(str(p.relative_to(self.cache)), 0) for p in paths]
        order = np.lexsort([self.rng.random(len(paths)), counts])
        return [paths[i] for i in order[:MIXED]]
