"""How fast samples are made, against how fast a recipe trains on them."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from iscene_ros.lab.training.batches import Place, packed_views
from iscene_ros.lab.training.optimizers import make_optimizers
from iscene_ros.lab.training.ranks import Ranks
from iscene_ros.lab.training.samples import CropSamples
from iscene_ros.lab.training.shards import ShardSet
from iscene_ros.lab.training.step import Stepper
from iscene_ros.lab.training.train_config import PhaseConfig, TrainConfig
from iscene_ros.models.mini.network import VolumeSceneFlow

VIEWS = 2  # in a shard: small ones end near the time that is given
MORE = 100  # times as many shards as the recipe has: enough for any time


@dataclass(frozen=True)
class Rates:
    """Slots a second: made by one process, and read and trained on by one process."""

    made: float
    trained: float

    def __str__(self) -> str:
        return (
            f"slots a second: {self.made:.1f} made, {self.trained:.1f} trained on, by one process "
            f"each. A slot that is trained on "
            f"{self.trained / self.made:.1f} times or more takes no longer to make than to learn."
        )


def measure_rates(config: TrainConfig, device: str = "cpu", seconds: float = 30.0) -> Rates:
    """Of the last phase's samples and objective; takes about twice `seconds` [s]."""
    phase = [p for p in config.phases if p.share][-1]
    with tempfile.TemporaryDirectory() as folder:
        sets = [config.shard_options(data, Path(folder)) for data in phase.sets]
        sets = [replace(s, views=VIEWS, count=MORE * s.count) for s in sets]
        shards = ShardSet(sets, workers=0)
        views: list[CropSamples] = []

        def make() -> list[CropSamples]:
            views.extend(made := shards.read(next(numbers)))
            return made

        numbers = itertools.count()
        made = _rate(make, seconds)
        trained = _rate(_training(config, phase, views, device), seconds)
    return Rates(made, trained)


def _rate(work: Callable[[], list[CropSamples]], seconds: float) -> float:
    """Slots a second, after a first call that does not count."""
    work()
    slots, started = 0, time.monotonic()
    while not slots or time.monotonic() - started < seconds:
        slots += sum(len(view.target) for view in work())
    return slots / (time.monotonic() - started)


def _training(
    config: TrainConfig, phase: PhaseConfig, views: list[CropSamples], device: str
) -> Callable[[], list[CropSamples]]:
    """A step on these views, which returns those that it took."""
    network = VolumeSceneFlow(config.model).to(device).to(memory_format=torch.channels_last_3d)
    optimizers = make_optimizers(
        network, config.matrix_rate, config.weight_decay, config.muon, config.transformer_rate
    )
    stepper = Stepper(network, Ranks(), config.precision)
    packs = packed_views(_Made(views), Place(), config.batch_slots)

    def step() -> list[CropSamples]:
        pack = next(packs)
        stepper.gradients(pack, phase.objective).item()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return pack.views

    return step


@dataclass(frozen=True)
class _Made:
    """Views in memory, read as one shard."""

    views: Sequence[CropSamples]
    seed: int = 0

    def __len__(self) -> int:
        return 1

    def read(self, index: int) -> list[CropSamples]:
        return list(self.views)
