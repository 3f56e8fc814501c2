"""The configuration of a training run, read from YAML."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.objective import ObjectiveOptions
from iscene_ros.lab.training.samples import SampleOptions
from iscene_ros.lab.training.shards import ShardOptions
from iscene_ros.models.iscene.scene_flow_config import MiniConfig


@dataclass(frozen=True)
class DataConfig:
    """One set of samples: `shards` files of `views` views each, drawn with `seed`."""

    name: str
    shards: int
    views: int
    seed: int
    samples: SampleOptions = field(default_factory=SampleOptions)


@dataclass(frozen=True)
class PhaseConfig:
    """One phase of the recipe.

    Attributes:
        name: "instances" (the instance generator alone) or "scenes" (with scene context).
        data: Training samples; they have scene crops exactly where the network is to use them.
        more_data: Further sets of the same kind, read together with `data`.
        share: Share of the run's budget, above 0.
        learning_rate: Learning rate at the plateau.
        warmup_steps: Steps of the linear rise to it.
        decay_share: Last share of the phase, in which the rate falls linearly to zero.
        objective: Loss and noise.
    """

    name: str
    data: DataConfig
    share: float
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    decay_share: float = 0.3
    objective: ObjectiveOptions = field(default_factory=ObjectiveOptions)
    more_data: tuple[DataConfig, ...] = ()

    def __post_init__(self) -> None:
        if self.share <= 0:
            raise ValueError(f"share: {self.share}, expected more than 0")
        kinds = {d.samples.with_scene_crop for d in self.sets}
        if len(kinds) > 1:
            raise ValueError("more_data: all sets of a phase have scene crops, or none has")

    @property
    def sets(self) -> tuple[DataConfig, ...]:
        """All of the phase's sets of samples."""
        return (self.data, *self.more_data)


@dataclass(frozen=True)
class TrainConfig:
    """A whole run.

    Attributes:
        model: Sizes of the network.
        phases: Phases in order.
        held_out: Samples of the shape families that training never sees.
        minutes: Budget of training time of all phases together, resumed runs included.
        batch_crops: Crops in one step.
        seed: Seed of the weights and of the noise.
        kernel_rate: Learning rate of the convolutions' kernels, which Muon trains, relative to that
            of the rest, which AdamW trains.
        transformer_rate: Learning rate of the transformer's weights relative to the others that
            AdamW trains. At an equal rate the convolutions in front of it may grow until its blocks
            add nothing.
        evaluate_minutes: Time between two evaluations on `held_out`.
        save_minutes: Time between two saved states.
        precision: "float32" or "bfloat16" (autocast).
        data_device: Torch device on which the workers compute samples.
    """

    model: MiniConfig
    phases: tuple[PhaseConfig, ...]
    held_out: DataConfig
    minutes: float = 60.0
    batch_crops: int = 12
    seed: int = 0
    kernel_rate: float = 2.0
    transformer_rate: float = 1.0
    evaluate_minutes: float = 5.0
    save_minutes: float = 2.0
    precision: str = "float32"
    data_device: str = "cpu"

    def shard_options(self, data: DataConfig, cache: Path) -> ShardOptions:
        """Return where a set of samples lies and what is in it."""
        return ShardOptions(
            directory=cache / data.name,
            count=data.shards,
            views=data.views,
            seed=data.seed,
            resolution=self.model.resolution,
            truncation=self.model.truncation,
            samples=data.samples,
            device=self.data_device,
        )


def read_train_config(path: Path) -> TrainConfig:
    """Read a run's YAML.

    Raises:
        InputError: The file cannot be read, or a key is unknown, missing or has a wrong value.
    """
    return build_dataclass(TrainConfig, read_yaml(path), str(path))


def read_yaml(path: Path) -> Any:
    """Read a YAML file; an InputError says why it cannot be read."""
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path}: {error}".replace("\n", " ")) from error


def build_dataclass(kind: type, value: Any, where: str) -> Any:
    """Build a (nested) dataclass from plain YAML values; `where` names them in errors."""
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected keys and values, got {value!r}")
    hints = get_type_hints(kind)
    unknown = set(value) - {f.name for f in fields(kind)}
    if unknown:
        raise InputError(f"{where}: unknown key {', '.join(sorted(unknown))}")
    converted = {k: _convert(hints[k], v, f"{where}: {k}") for k, v in value.items()}
    try:
        return kind(**converted)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    kind = next((k for k in (hint, *get_args(hint)) if is_dataclass(k)), None)
    if kind is not None and isinstance(value, list):
        return tuple(build_dataclass(kind, v, f"{where}[{i}]") for i, v in enumerate(value))
    if kind is not None:
        return build_dataclass(kind, value, where)
    if isinstance(value, list):
        return tuple(value)
    return value
