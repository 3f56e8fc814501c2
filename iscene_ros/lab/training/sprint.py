"""A short run on a GPU: samples are made beside it, and the state is written in parts."""

from __future__ import annotations

import io
import queue
import random
import threading
import time
from pathlib import Path

import torch
from torch import Tensor

from iscene_ros.lab.training.run_config import SprintOptions
from iscene_ros.lab.training.samples import Samples
from iscene_ros.lab.training.shards import ShardSet, existing_shards, read_shard, shard_makers
from iscene_ros.lab.training.trainer import Trainer
from iscene_ros.models.mini.checkpoint import save_weights

PART_BYTES = 15 * 2**20
POLL_SECONDS, REPORT_SECONDS = 0.5, 15


class SamplePool:
    """Up to `capacity` samples on a device; the oldest make room for new ones.

    Attributes:
        count: Number of samples in the pool.
        total: Number of samples ever added.
    """

    def __init__(self, capacity: int, device: torch.device, seed: int) -> None:
        self.capacity, self.device = capacity, device
        self.count = self.total = 0
        self._tensors: dict[str, Tensor] = {}
        self._generator = torch.Generator(device).manual_seed(seed)
        self._coin = random.Random(seed)

    def add(self, samples: Samples) -> None:
        """Keep the samples; where there is no room, they replace the oldest."""
        tensors = samples.tensors()
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
        samples = Samples.from_tensors(
            {name: tensor[rows] for name, tensor in self._tensors.items()}
        )
        return samples.mirrored() if self._coin.random() < 0.5 else samples


class PoolFiller:
    """Reads shards as soon as they are made, in a thread; its owner alone touches the pool."""

    def __init__(self, sets: list[ShardSet]) -> None:
        self._sets = sets
        self._samples: queue.Queue[Samples] = queue.Queue(maxsize=4)
        threading.Thread(target=self._run, daemon=True).start()

    def move_into(self, pool: SamplePool) -> None:
        """Move the samples read since the last call into the pool."""
        while not self._samples.empty():
            pool.add(self._samples.get())

    def _run(self) -> None:
        read: set[Path] = set()
        while True:
            new = [path for path in existing_shards(self._sets) if path not in read]
            for path in new:
                self._samples.put(read_shard(path))
            read.update(new)
            if not new:
                time.sleep(POLL_SECONDS)


class Sprint:
    """A run of fixed length with a trainer, which owns network, average and optimisers."""

    def __init__(self, trainer: Trainer, options: SprintOptions) -> None:
        self.trainer, self.options = trainer, options
        self.pool = SamplePool(options.capacity, trainer.device, trainer.config.seed)

    def run(self) -> None:
        """Train until the time is over, score the weights and write the state."""
        torch.backends.cudnn.benchmark = True
        self._started = time.monotonic()
        trainer, options = self.trainer, self.options
        filler = PoolFiller(trainer.sets)
        groups = [[trainer.held_out], trainer.sets]
        with trainer.stop, shard_makers(groups, options.makers) as makers:
            while self.pool.count < options.first_samples and trainer.stop.signal is None:
                if self.pool.count == 0 and not any(maker.is_alive() for maker in makers):
                    raise RuntimeError("sprint: no process makes samples; see their errors above")
                time.sleep(0.2)
                filler.move_into(self.pool)
            self._report(f"{self.pool.total} samples")
            self._train(filler)
        self._save_weights()
        write_parts(trainer.state(), trainer.directory)
        if existing_shards([trainer.held_out]):
            trainer.evaluate("sprint", "latest.safetensors")
        self._report("done")

    def _train(self, filler: PoolFiller) -> None:
        options, trainer = self.options, self.trainer
        seconds = 60 * options.minutes - options.score_seconds
        saved = reported = time.monotonic()
        while trainer.stop.signal is None:
            now = time.monotonic()
            left = 1 - (now - self._started) / seconds
            if left <= 0:
                return
            rise = min(1.0, (trainer.steps + 1) / trainer.config.warmup_steps)
            rate = rise * min(1.0, left / options.decay_share)
            trainer.step(self.pool.draw(trainer.config.batch), rate * trainer.config.learning_rate)
            filler.move_into(self.pool)
            if now - reported > REPORT_SECONDS:
                self._report(f"step {trainer.steps}, loss {float(trainer.loss):.4f}")
                reported = now
            if now - saved > 60 * options.save_minutes:
                self._save_weights()
                saved = now

    def _save_weights(self) -> None:
        path = self.trainer.directory / "latest.safetensors"
        save_weights(self.trainer.average.network, path)

    def _report(self, what: str) -> None:
        seconds = time.monotonic() - self._started
        print(f"{seconds:6.1f} s: {what}, {self.pool.total} samples made", flush=True)


def write_parts(state: dict, directory: Path) -> list[Path]:
    """Write a trainer's state without optimisers in files of at most `PART_BYTES`.

    Joined in the order of their numbers they are a `state.pt`.
    """
    average = {k: v.half() for k, v in state["average"].items()}
    buffer = io.BytesIO()
    torch.save({**state, "average": average, "optimizers": None}, buffer)
    data = buffer.getvalue()
    paths = []
    for number, start in enumerate(range(0, len(data), PART_BYTES)):
        paths.append(directory / f"state.part{number}")
        paths[-1].write_bytes(data[start : start + PART_BYTES])
    return paths
