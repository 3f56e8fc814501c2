"""The training loop: phases with a budget of time each, resumable after any step."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.batches import make_batch
from iscene_ros.lab.training.data_stream import (
    MiniBatch,
    Prefetcher,
    StreamPosition,
    mini_batches,
)
from iscene_ros.lab.training.held_out import HeldOutScore, held_out_score
from iscene_ros.lab.training.objective import ObjectiveOptions, flow_loss
from iscene_ros.lab.training.optimizers import WeightAverage, make_optimizers, set_learning_rate
from iscene_ros.lab.training.run_state import RunProgress, load_state, save_state
from iscene_ros.lab.training.shards import ShardSet
from iscene_ros.lab.training.stop_request import StopRequest
from iscene_ros.lab.training.train_config import PhaseConfig, TrainConfig
from iscene_ros.lab.training.train_log import LogRow, TrainLog
from iscene_ros.models.mini.checkpoint import load_model, save_weights
from iscene_ros.models.mini.network import VolumeSceneFlow

WEIGHT_DECAY = 0.01
AVERAGE_DECAY = 0.998
MAX_GRADIENT_NORM = 1.0


class Trainer:
    """Trains iscene-mini; `run` returns when the budget is spent or a signal requests a stop.

    A trainer of a folder that holds a `state.pt` resumes the run there.

    Args:
        config: The run.
        directory: Folder of the run: state, weights, metrics.
        cache: Folder of the samples.
        device: Torch device name.
        workers: Processes that make samples; 0 = made when they are read.
        max_steps: Stop after so many steps of the run; None = at the end of its budget.
        initial: Checkpoint whose weights a new run starts from.

    Raises:
        InputError: The state or the checkpoint is of another network.
    """

    def __init__(
        self,
        config: TrainConfig,
        directory: Path,
        cache: Path,
        device: str = "cpu",
        workers: int = 1,
        max_steps: int | None = None,
        initial: Path | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.directory, self.cache = config, Path(directory), Path(cache)
        self.device, self.workers, self.max_steps = torch.device(device), workers, max_steps
        self.directory.mkdir(parents=True, exist_ok=True)
        network = VolumeSceneFlow(config.model).to(self.device)
        self.network = network.to(memory_format=torch.channels_last_3d)
        if initial and not self.state_path.exists():
            self._load_initial(initial)
        self.average = WeightAverage(self.network, AVERAGE_DECAY)
        self.optimizers = make_optimizers(
            network, config.kernel_rate, config.transformer_rate, WEIGHT_DECAY
        )
        self.progress = RunProgress()
        self.log = TrainLog(self.directory)
        self.stop = StopRequest()
        self._saved = self._evaluated = time.monotonic()
        if self.state_path.exists():
            self._load_state()

    @property
    def state_path(self) -> Path:
        """File that a run is resumed from."""
        return self.directory / "state.pt"

    def run(self) -> bool:
        """Train the remaining phases; return False where it was stopped before their end."""
        with self.stop:
            while self.progress.phase < len(self.config.phases):
                phase = self.config.phases[self.progress.phase]
                if not self._run_phase(phase):
                    return False
                self._evaluate(phase)
                self.progress = self.progress.next_phase()
                self._save_state()
        return True

    def _run_phase(self, phase: PhaseConfig) -> bool:
        """Return whether the phase came to its end."""
        sets = [self.config.shard_options(data, self.cache) for data in phase.sets]
        start = StreamPosition(self.progress.shard, self.progress.batch)
        with closing(ShardSet(sets, self.workers)) as shards:
            batches = mini_batches(shards, start, self.config.batch_crops, self.config.seed)
            with Prefetcher(batches) as stream, self._progress_bar(phase) as bar:
                while self._spent_share(phase) < 1:
                    if self.stop.signal is not None or self._out_of_steps():
                        self._save_state()
                        return False
                    started = time.monotonic()
                    mini_batch = next(stream)
                    loss = self._step(phase, mini_batch)
                    self._count(loss.item(), mini_batch, time.monotonic() - started)
                    self._show_progress(bar, phase)
                    self._save_and_evaluate_in_time(phase)
        return True

    def _spent_share(self, phase: PhaseConfig) -> float:
        """Return the spent share of the phase's budget of time."""
        return self.progress.seconds / (60 * self.config.minutes * phase.share)

    def _out_of_steps(self) -> bool:
        return self.max_steps is not None and self.progress.total_steps >= self.max_steps

    def _step(self, phase: PhaseConfig, mini_batch: MiniBatch) -> Tensor:
        """Take one optimisation step; return its loss, a scalar."""
        rate = learning_rate(phase, self.progress.step, self._spent_share(phase))
        set_learning_rate(self.optimizers, rate)
        loss = self._loss(mini_batch, phase.objective)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.average.update(self.network)
        return loss.detach()

    def _loss(self, mini_batch: MiniBatch, objective: ObjectiveOptions) -> Tensor:
        noise = mini_batch.noise.to(self.device)
        side = self.config.model.flow.tokens_per_side
        batch = make_batch(mini_batch.views, side, noise.mirror, self.device)
        mixed = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            return flow_loss(self.network, batch, objective, noise)

    def _count(self, loss: float, mini_batch: MiniBatch, seconds: float) -> None:
        progress = self.progress
        progress.shard, progress.batch = mini_batch.following.shard, mini_batch.following.batch
        progress.step, progress.total_steps = progress.step + 1, progress.total_steps + 1
        progress.seconds += seconds
        progress.total_seconds += seconds
        self.log.add_step(loss)

    def _progress_bar(self, phase: PhaseConfig) -> tqdm:
        return tqdm(
            total=100.0,
            initial=min(100 * self._spent_share(phase), 100.0),
            desc=phase.name,
            mininterval=5,
            file=sys.stderr,
            bar_format="{desc}: {percentage:5.1f}%|{bar}| {elapsed}<{remaining}{postfix}",
        )

    def _show_progress(self, bar: tqdm, phase: PhaseConfig) -> None:
        loss = f"{self.log.smooth_loss:.4f}"
        bar.set_postfix(step=self.progress.step, loss=loss, refresh=False)
        bar.update(min(100 * self._spent_share(phase), bar.total) - bar.n)

    def _save_and_evaluate_in_time(self, phase: PhaseConfig) -> None:
        if time.monotonic() - self._evaluated > 60 * self.config.evaluate_minutes:
            self._evaluate(phase)
            self._evaluated = time.monotonic()
        if time.monotonic() - self._saved > 60 * self.config.save_minutes:
            self._save_state()

    def _evaluate(self, phase: PhaseConfig) -> None:
        """Log the held-out score of the averaged weights and keep the best of the phase."""
        score = self._held_out_score(phase)
        progress = self.progress
        self.log.add_evaluation(
            LogRow(
                phase=phase.name,
                step=progress.total_steps,
                seconds=progress.total_seconds,
                training_loss=self.log.smooth_loss,
                held_out_loss=score.loss,
                held_out_iou=score.iou,
            )
        )
        save_weights(self.average.network, self.directory / "latest.safetensors")
        if score.iou > progress.best:
            progress.best = score.iou
            save_weights(self.average.network, self.directory / f"best_{phase.name}.safetensors")

    def _held_out_score(self, phase: PhaseConfig) -> HeldOutScore:
        options = self.config.shard_options(self.config.held_out, self.cache)
        with closing(ShardSet([options], self.workers)) as shards:
            views = (view for index in range(len(shards)) for view in shards.read(index))
            with_scene = phase.data.samples.with_scene_crop
            return held_out_score(self.average.network, views, with_scene, self.device)

    def _load_initial(self, checkpoint: Path) -> None:
        network = load_model(checkpoint, str(self.device)).network
        if network.config != self.config.model:
            raise InputError(
                f"--initial: {checkpoint} is a model of {network.config}, "
                f"the config's is {self.config.model}"
            )
        self.network.load_state_dict(network.state_dict())

    def _save_state(self) -> None:
        self._saved = time.monotonic()
        state = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "updates": self.average.updates,
            "optimizers": [o.state_dict() for o in self.optimizers],
            "progress": vars(self.progress),
            "smooth_loss": self.log.smooth_loss,
        }
        save_state(self.state_path, state, self.config.model)

    def _load_state(self) -> None:
        state = load_state(self.state_path, self.config.model, self.device)
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.average.updates = state["updates"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = RunProgress(**state["progress"])
        self.log.smooth_loss = state["smooth_loss"]


def learning_rate(phase: PhaseConfig, step: int, spent: float) -> float:
    """Return the rate of a step: a linear rise, a plateau, a linear fall to zero.

    Args:
        phase: The schedule.
        step: Number of the step within the phase.
        spent: Spent share of the phase's budget.
    """
    rise = min(1.0, (step + 1) / phase.warmup_steps)
    fall = min(1.0, (1 - spent) / phase.decay_share)
    return phase.learning_rate * rise * max(fall, 0.0)
