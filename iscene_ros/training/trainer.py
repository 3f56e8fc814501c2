"""The training loop: two phases, resumable at any moment, finished by a wall-clock budget."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from iscene_ros.model.checkpoint import save_weights
from iscene_ros.model.volume_flow import VolumeSceneFlow
from iscene_ros.training.batches import Place, make_batch, packed_views
from iscene_ros.training.held_out import HeldOutScore, held_out_score
from iscene_ros.training.objective import flow_loss
from iscene_ros.training.optimizers import WeightAverage, make_optimizers, set_learning_rate
from iscene_ros.training.samples import SlotSamples
from iscene_ros.training.shards import ShardSet
from iscene_ros.training.train_config import PhaseConfig, TrainConfig
from iscene_ros.training.train_log import LogRow, TrainLog


@dataclass
class Progress:
    """Where a run stands; what a resume needs beside the weights.

    Attributes:
        phase: index of the phase.
        step, seconds, shard, pack: within the phase.
        total_steps, total_seconds: of the run.
        best: best held-out overlap so far in this phase.
    """

    phase: int = 0
    step: int = 0
    seconds: float = 0.0
    shard: int = 0
    pack: int = 0
    total_steps: int = 0
    total_seconds: float = 0.0
    best: float = -1.0


class Trainer:
    """Trains iscene-mini; `run()` returns when the budget is spent."""

    def __init__(
        self,
        config: TrainConfig,
        directory: Path,
        cache: Path,
        device: str = "cpu",
        workers: int = 1,
        max_steps: int | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.directory, self.cache = config, Path(directory), Path(cache)
        self.device, self.workers, self.max_steps = torch.device(device), workers, max_steps
        self.directory.mkdir(parents=True, exist_ok=True)
        network = VolumeSceneFlow(config.model).to(self.device)
        self.network = network.to(memory_format=torch.channels_last_3d)
        self.average = WeightAverage(self.network, config.ema_decay)
        self.optimizers = make_optimizers(network, config.matrix_rate, config.weight_decay)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.progress = Progress()
        self.log = TrainLog(self.directory)
        self._saved = self._evaluated = time.monotonic()
        if self.state_path.exists():
            self._load()

    @property
    def state_path(self) -> Path:
        """The file a resume starts from."""
        return self.directory / "state.pt"

    def run(self) -> None:
        """Train the remaining phases."""
        while self.progress.phase < len(self.config.phases):
            phase = self.config.phases[self.progress.phase]
            self._run_phase(phase)
            if self._out_of_steps():
                return
            self._evaluate(phase)
            p = self.progress
            self.progress = Progress(
                p.phase + 1, total_steps=p.total_steps, total_seconds=p.total_seconds
            )
            self._save()

    def _run_phase(self, phase: PhaseConfig) -> None:
        options = self.config.shard_options(phase.data, self.cache)
        shards = ShardSet(options, self.workers)
        budget = 60 * self.config.minutes * phase.share
        start = Place(self.progress.shard, self.progress.pack)
        stream = packed_views(shards, start, self.config.batch_slots)
        try:
            with tqdm(total=round(budget), unit="s", desc=phase.name, mininterval=5) as bar:
                bar.update(round(self.progress.seconds))
                while self.progress.seconds < budget and not self._out_of_steps():
                    started = time.monotonic()
                    place, views = next(stream)
                    loss = self._step(phase, views, budget)
                    self.progress.shard, self.progress.pack = place.shard, place.pack
                    self._after_step(phase, loss, time.monotonic() - started, bar)
        finally:
            shards.close()
            self._save()

    def _out_of_steps(self) -> bool:
        return self.max_steps is not None and self.progress.total_steps >= self.max_steps

    def _step(self, phase: PhaseConfig, views: list[SlotSamples], budget: float) -> float:
        rate = _learning_rate(phase, self.progress.step, self.progress.seconds / budget)
        set_learning_rate(self.optimizers, rate)
        mirror = np.random.default_rng([self.config.seed, self.progress.total_steps])
        side = self.config.model.flow.tokens_per_side
        batch = make_batch(views, side, mirror.random(len(views)) < 0.5, self.device)
        mixed = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            loss = flow_loss(self.network, batch, phase.objective, self.generator)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.average.update(self.network)
        return loss.item()

    def _after_step(self, phase: PhaseConfig, loss: float, seconds: float, bar: tqdm) -> None:
        p = self.progress
        p.step, p.total_steps = p.step + 1, p.total_steps + 1
        p.seconds, p.total_seconds = p.seconds + seconds, p.total_seconds + seconds
        self.log.step(loss)
        bar.set_postfix(step=p.step, loss=f"{self.log.smooth_loss:.4f}", refresh=False)
        bar.update(round(p.seconds) - bar.n)
        now = time.monotonic()
        if now - self._evaluated > 60 * self.config.evaluate_minutes:
            self._evaluate(phase)
            self._evaluated = time.monotonic()
        if now - self._saved > 60 * self.config.save_minutes:
            self._save()

    def _evaluate(self, phase: PhaseConfig) -> None:
        score = self._score(phase)
        p = self.progress
        row = LogRow(
            phase.name, p.total_steps, p.total_seconds, self.log.smooth_loss, score.loss, score.iou
        )
        self.log.evaluation(row)
        save_weights(self.average.network, self.directory / "latest.safetensors")
        if score.iou > p.best:
            p.best = score.iou
            save_weights(self.average.network, self.directory / f"best_{phase.name}.safetensors")

    def _score(self, phase: PhaseConfig) -> HeldOutScore:
        options = self.config.shard_options(self.config.held_out, self.cache)
        shards = ShardSet(options, self.workers)
        views = (view for i in range(options.count) for view in shards.read(i))
        with_scene = phase.data.samples.with_scene_slot
        score = held_out_score(self.average.network, views, with_scene, self.device)
        shards.close()
        return score

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "updates": self.average.updates,
            "optimizers": [o.state_dict() for o in self.optimizers],
            "generator": self.generator.get_state(),
            "progress": vars(self.progress),
            "smooth_loss": self.log.smooth_loss,
        }
        temporary = self.state_path.with_suffix(".part")
        torch.save(state, temporary)
        os.replace(temporary, self.state_path)
        self._saved = time.monotonic()

    def _load(self) -> None:
        state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.average.updates = state["updates"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.generator.set_state(state["generator"].cpu())
        self.progress = Progress(**state["progress"])
        self.log.smooth_loss = state["smooth_loss"]


def _learning_rate(phase: PhaseConfig, step: int, done: float) -> float:
    """Linear rise, plateau, linear fall to zero; `done` is the spent share of the budget."""
    rise = min(1.0, (step + 1) / phase.warmup_steps)
    fall = min(1.0, (1 - done) / phase.decay_share)
    return phase.learning_rate * rise * max(fall, 0.0)
