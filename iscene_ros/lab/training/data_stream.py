"""The endless stream of mini-batches of a run, read ahead in a background thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

import numpy as np

from iscene_ros.lab.training.batches import StepNoise, step_noise
from iscene_ros.lab.training.samples import CropSamples
from iscene_ros.lab.training.shards import ShardSet

Item = TypeVar("Item")
POLL_S = 0.1


@dataclass(frozen=True)
class StreamPosition:
    """A position in the stream: a step in the order of shards, and a mini-batch of that shard."""

    shard: int = 0
    batch: int = 0


@dataclass(frozen=True)
class MiniBatch:
    """The views of one optimisation step.

    Attributes:
        views: Views that together have at most as many crops as a step has room for.
        noise: Random numbers of the step.
        following: Position of the next mini-batch.
    """

    views: list[CropSamples]
    noise: StepNoise
    following: StreamPosition


def shard_order(count: int, seed: int, start: int) -> Iterator[tuple[int, int]]:
    """Yield (position, shard index) for ever: first in order of making, then in shuffled passes."""
    position = start
    while True:
        epoch, offset = divmod(position, count)
        order = np.arange(count)
        if epoch:
            order = np.random.default_rng([seed, epoch]).permutation(count)
        yield position, int(order[offset])
        position += 1


def mini_batches(
    shards: ShardSet, start: StreamPosition, crops: int, seed: int = 0
) -> Iterator[MiniBatch]:
    """Yield mini-batches of at most `crops` crops for ever, from `start` on.

    The noise of a mini-batch depends on `seed` and on its position in the stream alone.
    """
    for position, index in shard_order(len(shards), shards.seed, start.shard):
        views = shards.read(index)
        batches = _packed(views, shards.seed, position, crops)
        first = start.batch if position == start.shard else 0
        for number in range(first, len(batches)):
            following = StreamPosition(position, number + 1)
            if number + 1 == len(batches):
                following = StreamPosition(position + 1)
            chosen = [views[i] for i in batches[number]]
            yield MiniBatch(chosen, step_noise(chosen, (seed, position, number)), following)


def _packed(views: list[CropSamples], seed: int, position: int, crops: int) -> list[list[int]]:
    """Distribute the views of a shard over mini-batches, in random order."""
    order = np.random.default_rng([seed, position, 1]).permutation(len(views))
    batches: list[list[int]] = []
    room = 0
    for i in order:
        needed = len(views[i].target)
        if needed > room:
            batches.append([])
            room = crops
        batches[-1].append(int(i))
        room -= needed
    return batches


class Prefetcher(Generic[Item]):
    """Iterates over another iterator that a background thread reads, at most `ahead` items early.

    Use it in a `with` statement, or call `close`; the thread ends after the item that it is
    reading. An exception of the iterator is raised in place of the item that it prevented.
    """

    def __init__(self, items: Iterator[Item], ahead: int = 2) -> None:
        self._ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(ahead)
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._read, args=(items,), name="prefetch")
        self._thread.daemon = True
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._failure is not None:
            raise self._failure
        item, self._failure = self._ready.get()
        if self._failure is not None:
            raise self._failure
        return item

    def __enter__(self) -> Prefetcher[Item]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading and wait for the thread."""
        self._stopped.set()
        self._thread.join()

    def _read(self, items: Iterator[Item]) -> None:
        try:
            for item in items:
                self._put(item, None)
                if self._stopped.is_set():
                    return
            self._put(None, StopIteration())
        except BaseException as error:  # raised again by the reader
            self._put(None, error)

    def _put(self, item: Item | None, failure: BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                return self._ready.put((item, failure), timeout=POLL_S)
            except queue.Full:
                continue
