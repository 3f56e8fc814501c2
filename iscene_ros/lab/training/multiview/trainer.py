"""The training loop of iscene-mini 2: a plateau of the learning rate, and decays from it."""

from __future__ import annotations

import csv
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open

from iscene_ros.core.atomic_files import new_file
from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.multiview.batch_stream import BatchStream
from iscene_ros.lab.training.multiview.config import RunConfig
from iscene_ros.lab.training.multiview.held_out import HeldOutScore, held_out_score
from iscene_ros.lab.training.multiview.initial_weights import new_network
from iscene_ros.lab.training.multiview.objective import completion_loss
from iscene_ros.lab.training.multiview.samples import FineSamples
from iscene_ros.lab.training.multiview.shards import existing_shards, read_shard
from iscene_ros.lab.training.optimizers import KernelMuon, WeightAverage, set_learning_rate
from iscene_ros.lab.training.stop_request import StopRequest
from iscene_ros.models.mini import checkpoint as mini
from iscene_ros.models.mini2.checkpoint import FORMAT, load_model, save_weights
from iscene_ros.models.mini2.network import MultiScaleNetwork

# First and last layers, whose kernels AdamW trains; Muon trains the other kernels.
OUTER_LAYERS = ("stem.", "down_pooled.", "grid_head.", "fine_head.")
ADAMW_BETAS = (0.9, 0.98)
# Decay of the moving average of the loss.
LOSS_DECAY = 0.98
REPORTED_STEPS = 25


class Trainer:
    """Trains iscene-mini 2; `state.pt` in the folder of the run is the state on the plateau.

    A trainer of a folder that holds a `state.pt` resumes the run there.

    Args:
        config: The run.
        directory: Folder of the run: state, weights, metrics.
        cache: Folder of the samples.
        device: Torch device name.
        initial: Checkpoint of iscene-mini or iscene-mini 2 whose weights a new run starts from.

    Attributes:
        network: The network in training.
        average: Moving average of its weights.
        steps: Number of steps so far.
        seconds: Processor time of these steps [s].
        loss: Moving average of the loss.

    Raises:
        InputError: The state cannot be read or is of another network.
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
        self.config, self.directory, self.cache = config, Path(directory), Path(cache)
        self.device = torch.device(device)
        self.directory.mkdir(parents=True, exist_ok=True)
        network = _initial_network(config, initial).to(self.device)
        self.network = network.to(memory_format=torch.channels_last_3d)
        self.average = WeightAverage(self.network, config.ema_decay)
        self.optimizers = make_optimizers(self.network, config)
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
        with self.stop:
            self._plateau(minutes, max_steps)

    def _plateau(self, minutes: float | None, max_steps: int | None) -> None:
        stream = self._stream()
        started = saved = time.monotonic()
        evaluated = self.seconds
        for samples in stream:
            rate = min(1.0, (self.steps + 1) / self.config.warmup_steps)
            self.step(samples, rate * self.config.learning_rate)
            now = time.monotonic()
            is_over = minutes is not None and now - started > 60 * minutes
            if self.seconds - evaluated > 60 * self.config.evaluate_minutes or is_over:
                self.evaluate("plateau", "latest.safetensors")
                evaluated = self.seconds
            is_over |= self.steps == max_steps or self.stop.signal is not None
            if now - saved > 60 * self.config.save_minutes or is_over:
                self._save(stream)
                saved = time.monotonic()
            if is_over:
                return

    def decay(self, minutes: float, wall_minutes: float = float("inf")) -> None:
        """Let the rate fall to zero from the plateau; `state.pt` stays that of the plateau.

        It takes so many minutes of processor time, fewer where those of the clock end before.
        """
        started, clock = time.process_time(), time.monotonic()
        name = f"decayed_{self.steps}.safetensors"
        with self.stop:
            for samples in self._stream():
                spent = (time.process_time() - started) / (60 * minutes)
                left = 1 - max(spent, (time.monotonic() - clock) / (60 * wall_minutes))
                if left <= 0 or self.stop.signal is not None:
                    break
                self.step(samples, left * self.config.learning_rate)
            self.evaluate("decay", name)

    def score(self) -> HeldOutScore:
        """Score the averaged weights on held-out families."""
        shards = self.config.shards(self.config.held_out, self.cache)
        parts = (read_shard(path) for path in existing_shards([shards]))
        return held_out_score(self.average.network, parts, self.device, self._is_mixed)

    @property
    def _is_mixed(self) -> bool:
        return self.config.precision == "bfloat16"

    def _stream(self) -> BatchStream:
        sets = [self.config.shards(s, self.cache) for s in self.config.sets]
        files = partial(existing_shards, sets)
        return BatchStream(files, self.cache, self.config.batch, self.config.seed, self.uses)

    def step(self, samples: FineSamples, rate: float) -> None:
        """One step at a learning rate."""
        started = time.process_time()
        set_learning_rate(self.optimizers, rate)
        volumes = samples.volumes.to(self.device)
        target = samples.target.to(self.device).float() / 127
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._is_mixed):
            predicted = self.network(volumes)
        loss = completion_loss(predicted, target, volumes.surface >= 127, self.config.objective)
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
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
        score = self.score()
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


def make_optimizers(network: MultiScaleNetwork, config: RunConfig) -> list[torch.optim.Optimizer]:
    """Return AdamW and Muon, whose groups carry `relative_rate`: their share of the rate."""
    named = list(network.named_parameters())
    kernels = [p for n, p in named if p.ndim == 5 and not n.startswith(OUTER_LAYERS)]
    chosen = {id(p) for p in kernels}
    others = [p for _, p in named if id(p) not in chosen]
    groups = [{"params": others, "relative_rate": 1.0}]
    adamw = torch.optim.AdamW(groups, betas=ADAMW_BETAS, weight_decay=0.0)
    return [adamw, KernelMuon(kernels, config.kernel_rate, config.weight_decay)]


def _initial_network(config: RunConfig, initial: Path | None) -> MultiScaleNetwork:
    """Return the network that a new run starts with, perhaps with weights of a checkpoint."""
    if initial is None:
        return new_network(config.model)
    with safe_open(initial, framework="pt") as file:
        is_mini2 = (file.metadata() or {}).get("format") == FORMAT
    if not is_mini2:
        return new_network(config.model, mini.load_model(initial).network)
    network = new_network(config.model)
    own = network.state_dict()
    known = load_model(initial).network.state_dict()
    fitting = {n: t for n, t in known.items() if n in own and own[n].shape == t.shape}
    network.load_state_dict({**own, **fitting})
    return network
