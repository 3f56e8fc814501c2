"""The training loop: phases, resumable after any step, finished by its budget."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from tqdm import tqdm

from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.lab.training.batches import Pack, Place, packed_views
from iscene_ros.lab.training.growth import grown
from iscene_ros.lab.training.held_out import HeldOutScore, held_out_score
from iscene_ros.lab.training.optimizers import WeightAverage, make_optimizers, set_learning_rate
from iscene_ros.lab.training.prefetch import Prefetched
from iscene_ros.lab.training.ranks import Ranks
from iscene_ros.lab.training.run_state import (
    RunProgress,
    check_network,
    load_state,
    places_of,
    save_state,
)
from iscene_ros.lab.training.shards import ShardSet
from iscene_ros.lab.training.step import Stepper
from iscene_ros.lab.training.stop_request import StopRequest
from iscene_ros.lab.training.train_config import PhaseConfig, TrainConfig
from iscene_ros.lab.training.train_log import LogRow, TrainLog
from iscene_ros.models.mini.checkpoint import load_model, save_weights
from iscene_ros.models.mini.network import VolumeSceneFlow


class Trainer:
    """Trains iscene-mini; `run()` returns when the budget is spent or a signal asks for it.

    Of several processes (`ranks`), each trains on its own shards; rank 0 alone averages the
    weights, evaluates, logs and saves. All need the same `directory` and `cache`.

    Where a phase's learning rate begins to fall, the state is kept as `plateau_<phase>.pt`: a run
    that starts from it as its `state.pt`, with a larger budget, goes on as if it had always had it.
    """

    def __init__(
        self,
        config: TrainConfig,
        directory: Path,
        cache: Path,
        device: str = "cpu",
        workers: int = 1,
        max_steps: int | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.directory, self.cache = config, Path(directory), Path(cache)
        self.device, self.workers, self.max_steps = torch.device(device), workers, max_steps
        self.ranks = ranks or Ranks()
        self.directory.mkdir(parents=True, exist_ok=True)
        network = VolumeSceneFlow(config.model).to(self.device)
        self.network = network.to(memory_format=torch.channels_last_3d)
        if config.initial and not self.state_path.exists():
            self._load_initial()
        self.average = WeightAverage(self.network, config.ema_decay)
        self.optimizers = make_optimizers(
            network, config.matrix_rate, config.weight_decay, config.muon, config.transformer_rate
        )
        self.stepper = Stepper(self.network, self.ranks, config.precision)
        self.progress = RunProgress()
        self.place = Place(self.ranks.rank)
        self.log = TrainLog(self.directory)
        self.stop = StopRequest()
        self.teacher: VolumeSceneFlow | None = None
        self._saved = self._evaluated = time.monotonic()
        if self.state_path.exists():
            self._load()
        self.ranks.every([0], self.device)  # nobody saves before all have read

    @property
    def state_path(self) -> Path:
        """The file a resume starts from."""
        return self.directory / "state.pt"

    def run(self) -> bool:
        """Train the remaining phases; False where it was stopped before their end."""
        with self.stop:
            while self.progress.phase < len(self.config.phases):
                phase = self.config.phases[self.progress.phase]
                if not self._run_phase(phase):
                    return False
                if phase.share and self.ranks.leads:
                    self._evaluate(phase)
                p = self.progress
                self.progress = RunProgress(
                    p.phase + 1, total_steps=p.total_steps, total_seconds=p.total_seconds
                )
                self.place = Place(self.ranks.rank)
                self._save()
        return True

    def _run_phase(self, phase: PhaseConfig) -> bool:
        """Whether the phase came to its end."""
        if self._done(phase) >= 1:
            return True
        self.teacher = self._teacher(phase) if phase.objective.distill_steps else None
        sets = [self.config.shard_options(data, self.cache) for data in phase.sets]
        shards = ShardSet(sets, self.workers, self.ranks)
        seed, slots = self.config.seed, self.config.batch_slots
        packs = packed_views(shards, self.place, slots, self.ranks.count, seed)
        with Prefetched(packs) as stream, self._bar(phase) as bar:
            try:
                stopped = self._out_of_steps()
                while not stopped and self._done(phase) < 1:
                    started = time.monotonic()
                    pack = next(stream)
                    loss = self._step(phase, pack)
                    self.place = pack.after
                    stopped = self._after_step(phase, loss, started, bar) or self._out_of_steps()
                self._save()
            finally:
                shards.close()
        return not stopped

    def _bar(self, phase: PhaseConfig) -> tqdm:
        return tqdm(
            total=100.0,
            initial=min(100 * self._done(phase), 100.0),  # of a resumed run: it tells the time left
            desc=phase.name,
            mininterval=5,
            disable=not self.ranks.leads,
            file=sys.stderr,
            bar_format="{desc}: {percentage:5.1f}%|{bar}| {elapsed}<{remaining}{postfix}",
        )

    def _done(self, phase: PhaseConfig) -> float:
        """The spent share of the phase's budget."""
        if not phase.share:
            return 1.0
        if self.config.steps is not None:
            return self.progress.step / max(1, round(self.config.steps * phase.share))
        return self.progress.seconds / (60 * self.config.minutes * phase.share)

    def _out_of_steps(self) -> bool:
        return self.max_steps is not None and self.progress.total_steps >= self.max_steps

    def _step(self, phase: PhaseConfig, pack: Pack) -> torch.Tensor:
        rate = _learning_rate(phase, self.progress.step, self._done(phase))
        set_learning_rate(self.optimizers, rate)
        loss = self.stepper.gradients(pack, phase.objective, self.teacher)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self.ranks.leads:
            self.average.update(self.network)
        return loss

    def _after_step(
        self, phase: PhaseConfig, loss: torch.Tensor, started: float, bar: tqdm
    ) -> bool:
        """Count, and do what is due on all ranks alike; whether a signal asks to stop."""
        now = time.monotonic()
        leads = self.ranks.leads
        evaluate = leads and now - self._evaluated > 60 * self.config.evaluate_minutes
        save = leads and now - self._saved > 60 * self.config.save_minutes
        stop = self.stop.signal is not None
        own = [loss.item(), now - started if leads else 0.0, evaluate, save, stop]
        numbers = torch.tensor(own, dtype=torch.float64)
        total, seconds, evaluate, save, stop = self._shared(numbers).tolist()
        p = self.progress
        at_plateau = self._done(phase) <= 1 - phase.decay_share
        p.step, p.total_steps = p.step + 1, p.total_steps + 1
        p.seconds, p.total_seconds = p.seconds + seconds, p.total_seconds + seconds
        if at_plateau and self._done(phase) > 1 - phase.decay_share:
            self._save(self.directory / f"plateau_{phase.name}.pt")
        self.log.step(total)
        bar.set_postfix(step=p.step, loss=f"{self.log.smooth_loss:.4f}", refresh=False)
        bar.update(min(100 * self._done(phase), bar.total) - bar.n)
        if evaluate:
            if leads:
                self._evaluate(phase)
            self._evaluated = time.monotonic()
        if save and not stop:
            self._save()
        return bool(stop)

    def _shared(self, numbers: torch.Tensor) -> torch.Tensor:
        """Sums over the ranks: of the losses' shares, of what rank 0 decided, of stop requests."""
        if self.ranks.count == 1:
            return numbers
        return self.ranks.total(numbers.to(self.device)).cpu()

    def _evaluate(self, phase: PhaseConfig) -> None:
        score = self._score(phase)
        p = self.progress
        spent = phase.name, p.total_steps, p.total_seconds, self.log.smooth_loss
        row = LogRow(*spent, score.loss, score.iou, score.token_variation)
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

    def _teacher(self, phase: PhaseConfig) -> VolumeSceneFlow:
        """The network as it was when the phase began, of which the run's folder keeps a copy."""
        path = self.directory / f"teacher_{phase.name}.safetensors"
        if self.ranks.leads and (not path.exists() or not self.progress.step):
            save_weights(self.average.network, path, dtype=torch.float32)
        self.ranks.every([0], self.device)
        return load_model(path, str(self.device)).network

    def _load_initial(self) -> None:
        """Raises InputError where the checkpoint is of a network that cannot grow into this one."""
        model = load_model(Path(self.config.initial), str(self.device)).network
        try:
            large = grown(model, self.config.model)
        except ModelError as error:
            raise InputError(f"initial: {self.config.initial}: {error}") from error
        self.network.load_state_dict(large.state_dict())

    def _save(self, path: Path | None = None) -> None:
        places = self.ranks.every([self.place.shard, self.place.pack], self.device)
        self._saved = time.monotonic()
        if not self.ranks.leads:
            return
        self.progress.shard, self.progress.pack = places[0]
        state = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "updates": self.average.updates,
            "optimizers": [o.state_dict() for o in self.optimizers],
            "progress": vars(self.progress),
            "places": places,
            "smooth_loss": self.log.smooth_loss,
        }
        save_state(path or self.state_path, state, self.config.model)

    def _load(self) -> None:
        state = load_state(self.state_path, self.config.model, self.device)
        check_network(self.state_path, self.network, state)
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.average.updates = state["updates"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = RunProgress(**state["progress"])
        self.place = places_of(state, self.ranks.count)[self.ranks.rank]
        self.log.smooth_loss = state["smooth_loss"]


def _learning_rate(phase: PhaseConfig, step: int, done: float) -> float:
    """Linear rise, plateau, linear fall to zero; `done` is the spent share of the budget."""
    rise = min(1.0, (step + 1) / phase.warmup_steps)
    fall = min(1.0, (1 - done) / phase.decay_share)
    return phase.learning_rate * rise * max(fall, 0.0)
