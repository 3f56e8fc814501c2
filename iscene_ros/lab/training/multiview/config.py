"""The configuration of a run of iscene-mini 2, read from YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from iscene_ros.lab.training.multiview.objective import ObjectiveOptions
from iscene_ros.lab.training.multiview.samples import FineSampleOptions
from iscene_ros.lab.training.multiview.shards import ShardSet
from iscene_ros.lab.training.train_config import build_dataclass, read_yaml
from iscene_ros.models.mini2.config import Mini2Config


@dataclass(frozen=True)
class SetConfig:
    """One set of samples; see `ShardSet`."""

    name: str
    shards: int
    scenes: int = 16
    seed: int = 0
    samples: FineSampleOptions = field(default_factory=FineSampleOptions)


@dataclass(frozen=True)
class SprintOptions:
    """How a short run on a GPU spends its time.

    Attributes:
        minutes: of the whole run, from its start to its score.
        score_seconds: kept for the score at the end.
        decay_share: of the time, in which the learning rate falls to zero.
        makers: processes that make samples.
        data_device: torch device that they compute on.
        capacity: samples that stay on the device (0.85 MB each).
        first_samples: training begins when there are so many.
        save_minutes: how often weights are written.
    """

    minutes: float = 9.0
    score_seconds: float = 25.0
    decay_share: float = 0.5
    makers: int = 14
    data_device: str = "cpu"
    capacity: int = 65000
    first_samples: int = 400
    save_minutes: float = 2.0


@dataclass(frozen=True)
class RunConfig:
    """A whole run.

    Attributes:
        model: sizes of the network.
        sets: samples to train on.
        held_out: samples of the families that training never sees.
        objective: the loss.
        batch: crops in one step.
        learning_rate: of the plateau, for AdamW; kernels get `kernel_rate` times that, by Muon.
        warmup_steps: over which the rate rises.
        weight_decay, ema_decay, clip: of the optimiser.
        evaluate_minutes: of processor time between evaluations.
        save_minutes: of the clock between saved states.
        precision: "float32" or "bfloat16" (autocast).
        seed: of weights and of the order of samples.
        sprint: How a short run on a GPU spends its time; None = a run without an end.
    """

    model: Mini2Config
    sets: tuple[SetConfig, ...]
    held_out: SetConfig
    objective: ObjectiveOptions = field(default_factory=ObjectiveOptions)
    batch: int = 8
    learning_rate: float = 6e-4
    kernel_rate: float = 2.0
    warmup_steps: int = 50
    weight_decay: float = 0.01
    ema_decay: float = 0.998
    clip: float = 1.0
    evaluate_minutes: float = 15.0
    save_minutes: float = 3.0
    precision: str = "bfloat16"
    seed: int = 0
    sprint: SprintOptions | None = None

    def shards(self, config: SetConfig, cache: Path) -> ShardSet:
        """Return where a set of samples lies and what is in it."""
        return ShardSet(
            cache / config.name, config.shards, config.scenes, config.seed, config.samples
        )


def read_run_config(path: Path) -> RunConfig:
    """Read a run's YAML; the keys of its `base`, a file beside it, are those that it leaves out.

    Raises:
        InputError: the file cannot be read, or a key is unknown, missing or has a wrong value.
    """
    document = read_yaml(path)
    if isinstance(document, dict) and "base" in document:
        base = read_yaml(Path(path).parent / document["base"])
        document = {**base, **{k: v for k, v in document.items() if k != "base"}}
    return build_dataclass(RunConfig, document, str(path))


def is_multiview(path: Path) -> bool:
    """Return whether a YAML describes a run of iscene-mini 2: it has `sets` or a `base`.

    Raises:
        InputError: the file cannot be read.
    """
    document = read_yaml(path)
    return isinstance(document, dict) and ("sets" in document or "base" in document)
