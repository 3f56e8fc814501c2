"""The processes of one run: one alone, or several that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

# Rank 0 evaluates while the others wait for the next step.
LONGEST_WAIT = timedelta(hours=2)


@dataclass(frozen=True)
class Ranks:
    """Which of the processes this is.

    Attributes:
        rank: 0 logs, evaluates and saves.
        count: of all processes.
        local: number of the process on its machine, hence of its GPU.
    """

    rank: int = 0
    count: int = 1
    local: int = 0

    @classmethod
    def from_environment(cls) -> Ranks:
        """As torchrun says; alone without it."""
        numbers = (os.environ.get(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        rank, count, local = (None if n is None else int(n) for n in numbers)
        return cls() if count is None else cls(rank or 0, count, local or 0)

    @property
    def leads(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def device(self, kind: str) -> str:
        """The device of this process: its own GPU for "cuda"."""
        return f"cuda:{self.local}" if kind == "cuda" and self.count > 1 else kind

    def start(self, device: str) -> None:
        """Meet the other processes: over nccl on GPUs, over gloo on CPUs."""
        if self.count > 1:
            if device.startswith("cuda"):
                torch.cuda.set_device(device)
            backend = "nccl" if device.startswith("cuda") else "gloo"
            dist.init_process_group(backend, timeout=LONGEST_WAIT)

    def finish(self) -> None:
        """Leave."""
        if self.count > 1:
            dist.destroy_process_group()

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes, to each of them."""
        if self.count > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def every(self, numbers: Sequence[int], device: torch.device) -> list[list[int]]:
        """Each process's numbers, in the order of ranks, to each of them."""
        own = torch.tensor(list(numbers), dtype=torch.int64, device=device)
        if self.count == 1:
            return [own.tolist()]
        found = [torch.zeros_like(own) for _ in range(self.count)]
        dist.all_gather(found, own)
        return [part.tolist() for part in found]
