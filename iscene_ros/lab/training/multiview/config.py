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
        minutes: Time of the whole run, from its start to its score.
        score_seconds: Time kept for the score at the end.
        decay_share: Last share of the time, in which the learning rate falls to zero.
        makers: Number of processes that make samples.
        data_device: Torch device on which they compute.
        capacity: Largest number of samples that stay on the device (0.85 MB each).
        first_samples: Training begins when there are so many samples.
        save_minutes: Time between written weights.
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
        model: Sizes of the network.
        sets: Samples to train on.
        held_out: Samples of the shape families that training never sees.
        objective: Weights of the loss.
        batch: Crops in one step.
        learning_rate: Learning rate of the plateau for AdamW.
        kernel_rate: Learning rate of the kernels, which Muon trains, relative to it.
        warmup_steps: Steps of the linear rise to it.
        weight_decay: Weight decay of the kernels.
        ema_decay: Decay of the moving average of the weights.
        clip: Largest norm of the gradient.
        evaluate_minutes: Processor time between evaluations.
        save_minutes: Time between saved states.
        precision: "float32" or "bfloat16" (autocast).
        seed: Seed of the weights and of the order of samples.
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
