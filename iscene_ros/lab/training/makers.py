"""Worker processes that make shards beside a training run, each its own share of them."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from itertools import islice
from types import TracebackType

import torch

from iscene_ros.lab.training.shards import ShardSet, missing_shards, write_shard


class Makers:
    """`count` processes that make the missing shards of groups of sets, one group after the other.

    In a `with` statement; they are stopped at its end.
    """

    def __init__(self, groups: Sequence[Sequence[ShardSet]], count: int, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._processes = [
            context.Process(
                target=_make, args=([list(g) for g in groups], k, count, device), daemon=True
            )
            for k in range(count)
        ]

    def __enter__(self) -> Makers:
        for process in self._processes:
            process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(5)

    @property
    def alive(self) -> int:
        """Number of processes still at work."""
        return sum(process.is_alive() for process in self._processes)


def _make(groups: list[list[ShardSet]], first: int, stride: int, device: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    missing = [shard for sets in groups for shard in missing_shards(sets)]
    for shards, number in islice(missing, first, None, stride):
        write_shard(shards, number, device)
