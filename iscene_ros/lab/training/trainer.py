"""The training loop: a plateau of the learning rate, and decays from it."""

from __future__ import annotations

import csv
import math
import signal
import threading
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import FrameType

import torch

from iscene_ros.core.atomic_files import new_file
from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.batch_stream import BatchStream
from iscene_ros.lab.training.held_out import held_out_score
from iscene_ros.lab.training.objective import completion_loss
from iscene_ros.lab.training.optimizers import make_optimizers, set_learning_rate
from iscene_ros.lab.training.run_config import RunConfig
from iscene_ros.lab.training.samples import Samples
from iscene_ros.lab.training.shards import existing_shards, read_shard
from iscene_ros.lab.training.weights import WeightAverage, new_network
from iscene_ros.models.mini.checkpoint import save_weights

# Decay of the moving average of the loss.
LOSS_DECAY = 0.98
# Largest norm of the gradient.
CLIP = 1.0
# Processor time between evaluations, and time between saved states [min].
EVALUATE_MINUTES, SAVE_MINUTES = 15.0, 3.0
REPORTED_STEPS = 25
# A run ends after its step, with its state saved.
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """In a `with` statement, records the first signal; a second SIGINT interrupts at once.

    Outside the main thread, where Python allows no handlers, signals keep their effect.

    Attributes:
        signal: Number of the recorded signal, None = none yet.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._handlers = {s: signal.signal(s, self._record) for s in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _record(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number


class Trainer:
    """Trains iscene-mini; `state.pt` in the folder of the run is the state on the plateau.

    A trainer of a folder that holds a `state.pt` resumes the run there.

    Args:
        config: The run.
        directory: Folder of the run: state, weights, metrics.
        cache: Folder of the samples.
        device: Torch device name.
        initial: Checkpoint whose weights a new run starts from.

    Attributes:
        network: The network in training.
        average: Moving average of its weights.
        sets, held_out: Files of the samples to train on, and of those to score.
        steps: Number of steps so far.
        seconds: Processor time of these steps [s].
        loss: Moving average of the loss.

    Raises:
        InputError: The state cannot be read or is of another network.
        ModelError: The checkpoint cannot be read.
    """

    def __init__(
        self,
        config: RunConfig,
        directory: Path,
        cache: Path,
        device: str = "cpu",
        initial: Path | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.directory = config, directory
        self.sets = [config.shards(one, cache) for one in config.sets]
        self.held_out = config.shards(config.held_out, cache)
        self._cache, self._is_mixed = cache, config.precision == "bfloat16"
        self.device = torch.device(device)
        self.directory.mkdir(parents=True, exist_ok=True)
        network = new_network(config.model, initial).to(self.device)
        self.network = network.to(memory_format=torch.channels_last_3d)
        self.average = WeightAverage(self.network, config.ema_decay)
        self.optimizers = make_optimizers(self.network)
        self.steps, self.seconds, self.loss = 0, 0.0, float("nan")
        self.uses: dict[str, int] = {}
        self.stop = StopRequest()
        if self.state_path.exists():
            self._load()

    @property
    def state_path(self) -> Path:
        """File that a run is resumed from."""
        return self.directory / "state.pt"

    def plateau(self, minutes: float | None = None, max_steps: int | None = None) -> None:
        """Train at the full rate until a signal, for so many minutes or up to a step."""
        minutes = math.inf if minutes is None else minutes
        max_steps = math.inf if max_steps is None else max_steps
        if self.steps >= max_steps:
            return
        started = saved = time.monotonic()
        evaluated = self.seconds
        with self.stop:
            stream = self._stream()
            for samples in stream:
                rate = min(1.0, (self.steps + 1) / self.config.warmup_steps)
                self.step(samples, rate * self.config.learning_rate)
                now = time.monotonic()
                is_over = now - started > 60 * minutes
                if self.seconds - evaluated > 60 * EVALUATE_MINUTES or is_over:
                    self.evaluate("plateau", f"plateau_{self.steps}.safetensors")
                    evaluated = self.seconds
                is_over |= self.steps >= max_steps or self.stop.signal is not None
                if now - saved > 60 * SAVE_MINUTES or is_over:
                    self._save(stream)
                    saved = time.monotonic()
                if is_over:
                    return

    def decay(self, minutes: float) -> None:
        """Let the rate fall to zero in so many minutes; `state.pt` stays that of the plateau.

        Raises:
            InputError: No time at all.
        """
        if not minutes > 0:
            raise InputError(f"decay: {minutes} minutes, expected more than 0")
        started, name = time.monotonic(), f"decayed_{self.steps}.safetensors"
        with self.stop:
            for samples in self._stream():
                left = 1 - (time.monotonic() - started) / (60 * minutes)
                if left <= 0 or self.stop.signal is not None:
                    break
                self.step(samples, left * self.config.learning_rate)
            self.evaluate("decay", name)

    def _stream(self) -> BatchStream:
        files = partial(existing_shards, self.sets)
        return BatchStream(files, self._cache, self.config.batch, self.config.seed, self.uses)

    def step(self, samples: Samples, rate: float) -> None:
        """One step at a learning rate."""
        started = time.process_time()
        set_learning_rate(self.optimizers, rate)
        volumes = samples.volumes.to(self.device)
        target = samples.target.to(self.device).float() / 127
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._is_mixed):
            predicted = self.network(volumes)
        loss = completion_loss(predicted, target, volumes.surface >= 127)
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.average.update(self.network)
        value = loss.total.detach()
        self.loss = value if self.steps == 0 else LOSS_DECAY * self.loss + (1 - LOSS_DECAY) * value
        self.steps += 1
        self.seconds += time.process_time() - started
        if self.steps % REPORTED_STEPS == 0:
            print(
                f"step {self.steps}, {self.seconds / 60:.1f} min, loss {float(self.loss):.4f} "
                f"(now: distance {loss.distance.item():.4f}, overlap {loss.overlap.item():.4f})",
                flush=True,
            )

    def evaluate(self, phase: str, name: str) -> None:
        """Score the averaged weights, and write them and a row of `metrics.csv`."""
        parts = (read_shard(path) for path in existing_shards([self.held_out]))
        score = held_out_score(self.average.network, parts, self.device, self._is_mixed)
        save_weights(self.average.network, self.directory / name)
        row = {
            "phase": phase,
            "step": self.steps,
            "minutes": round(self.seconds / 60, 1),
            "loss": round(float(self.loss), 4),
            **{k: round(v, 4) for k, v in asdict(score).items()},
        }
        path = self.directory / "metrics.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
        print(f"step {self.steps}, {self.seconds / 60:.1f} min: {score}", flush=True)

    def state(self) -> dict:
        """Return what a resumed run needs."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "updates": self.average.updates,
            "optimizers": [o.state_dict() for o in self.optimizers],
            "numbers": [self.steps, self.seconds, float(self.loss)],
            "uses": self.uses,
            "model": self.config.model.to_dict(),
        }

    def _save(self, stream: BatchStream) -> None:
        self.uses = dict(stream.uses)
        with new_file(self.state_path) as temporary:
            torch.save(self.state(), temporary)

    def _load(self) -> None:
        try:
            state = torch.load(self.state_path, map_location=self.device, weights_only=True)
            model, steps = state["model"], state["numbers"]
        except Exception as error:  # torch.load raises whatever unpickling meets
            raise InputError(
                f"{self.state_path}: cannot be read ({error}); delete it, or choose another --out"
            ) from error
        if model != self.config.model.to_dict():
            raise InputError(
                f"{self.state_path}: the run there has the model {model}; "
                "resume it with its own config, or choose another --out"
            )
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.average.updates = state["updates"]
        # A state in parts (see `sprint`) has no optimisers: they start anew.
        if state["optimizers"] is not None:
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
        self.steps, self.seconds, self.loss = steps
        self.uses = state["uses"]
