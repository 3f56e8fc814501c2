"""A short run on a GPU: samples are made beside it, and the state is written in parts."""

from __future__ import annotations

import io
import time
from pathlib import Path

import torch

from iscene_ros.lab.training.makers import Makers
from iscene_ros.lab.training.pool import PoolFiller, SamplePool
from iscene_ros.lab.training.run_config import SprintOptions
from iscene_ros.lab.training.shards import existing_shards
from iscene_ros.lab.training.trainer import Trainer
from iscene_ros.models.mini.checkpoint import save_weights

PART_BYTES = 15 * 2**20


class Sprint:
    """A run of fixed length with a trainer, which owns network, average and optimisers."""

    def __init__(self, trainer: Trainer, options: SprintOptions) -> None:
        self.trainer, self.options = trainer, options
        config = trainer.config
        self.sets = [config.shards(s, trainer.cache) for s in config.sets]
        self.held_out = config.shards(config.held_out, trainer.cache)
        self.pool = SamplePool(options.capacity, trainer.device, config.seed)

    def run(self) -> None:
        """Train until the time is over."""
        torch.backends.cudnn.benchmark = True
        started = time.monotonic()
        filler = PoolFiller(lambda: existing_shards(self.sets))
        options = self.options
        makers = Makers([[self.held_out], self.sets], options.makers, options.data_device)
        with self.trainer.stop, makers:
            while self.pool.count < options.first_samples and self.trainer.stop.signal is None:
                if not makers.alive and self.pool.count == 0:
                    raise RuntimeError("sprint: no process makes samples; see their errors above")
                time.sleep(0.2)
                filler.move_into(self.pool)
            self._report(started, f"{self.pool.total} samples")
            self._train(started, filler)
        self._finish()
        self._report(started, "done")

    def _train(self, started: float, filler: PoolFiller) -> None:
        options, trainer = self.options, self.trainer
        seconds = 60 * options.minutes - options.score_seconds
        saved = reported = time.monotonic()
        while trainer.stop.signal is None:
            now = time.monotonic()
            left = 1 - (now - started) / seconds
            if left <= 0:
                return
            rise = min(1.0, (trainer.steps + 1) / trainer.config.warmup_steps)
            rate = rise * min(1.0, left / options.decay_share)
            trainer.step(self.pool.draw(trainer.config.batch), rate * trainer.config.learning_rate)
            filler.move_into(self.pool)
            if now - reported > 15:
                self._report(started, f"step {trainer.steps}, loss {float(trainer.loss):.4f}")
                reported = now
            if now - saved > 60 * options.save_minutes:
                save_weights(trainer.average.network, trainer.directory / "latest.safetensors")
                saved = now

    def _finish(self) -> None:
        trainer = self.trainer
        save_weights(trainer.average.network, trainer.directory / "latest.safetensors")
        write_parts(trainer.state(), trainer.directory)
        if existing_shards([self.held_out]):
            trainer.evaluate("sprint", "latest.safetensors")

    def _report(self, started: float, what: str) -> None:
        made = f"{self.pool.total} samples made"
        print(f"{time.monotonic() - started:6.1f} s: {what}, {made}", flush=True)


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
