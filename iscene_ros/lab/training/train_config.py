"""What a training run does, read from YAML."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.objective import ObjectiveOptions
from iscene_ros.lab.training.optimizers import MUON_PARTS
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
        name: "instances" (the pretrained instance generator) or "scenes" (reprogrammed).
        data: training samples; they have scene slots exactly where the network shall use them.
        more_data: further sets of the same kind, read with `data` as one.
        share: of the run's budget; 0 leaves the phase out.
        learning_rate: at the plateau.
        warmup_steps: linear rise to it; the last `decay_share` of the phase falls to zero.
        objective: loss and noise.
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
        kinds = {d.samples.with_scene_slot for d in self.sets}
        if len(kinds) > 1:
            raise ValueError("more_data: all sets of a phase have scene slots, or none has")

    @property
    def sets(self) -> tuple[DataConfig, ...]:
        """All of its samples."""
        return (self.data, *self.more_data)


@dataclass(frozen=True)
class TrainConfig:
    """A whole run.

    Attributes:
        model: sizes of the network.
        phases: in order.
        held_out: samples of the shape families that training never sees.
        minutes: wall-clock budget of all phases together (of training time, resumes included).
        steps: a budget in steps instead, which does not depend on the machine; null = by `minutes`.
        batch_slots: slots in one step, of each process where several train together.
        initial: checkpoint whose weights the run starts from, of these sizes or of smaller ones
            that can grow into them (`model.growth`); "" = none.
        muon: which of the hidden layers' weights Muon trains, "matrices" (of the transformer),
            "kernels" (of the convolutions) or "all"; AdamW trains the rest.
        matrix_rate: learning rate of Muon relative to AdamW's.
        transformer_rate: learning rate of the transformer's weights in AdamW relative to that of
            the convolutions'. At the rate of these its sums can grow until nothing reaches them.
        weight_decay, ema_decay, clip: of the optimiser.
        evaluate_minutes, save_minutes: how often.
        precision: "float32" or "bfloat16" (autocast).
        data_device: torch device that the workers compute samples on.
    """

    model: MiniConfig
    phases: tuple[PhaseConfig, ...]
    held_out: DataConfig
    minutes: float = 60.0
    steps: int | None = None
    batch_slots: int = 12
    seed: int = 0
    muon: str = "matrices"
    matrix_rate: float = 2.0
    transformer_rate: float = 1.0
    weight_decay: float = 0.01
    ema_decay: float = 0.998
    clip: float = 1.0
    evaluate_minutes: float = 5.0
    save_minutes: float = 2.0
    precision: str = "float32"
    initial: str = ""
    data_device: str = "cpu"

    def __post_init__(self) -> None:
        if self.muon not in MUON_PARTS:
            raise ValueError(f"muon: {self.muon!r}, expected one of {', '.join(MUON_PARTS)}")

    def shard_options(self, data: DataConfig, cache: Path) -> ShardOptions:
        """Where a set of samples lies and what is in it."""
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


def continued_from(config: TrainConfig, checkpoint: Path) -> TrainConfig:
    """The run that goes on from a checkpoint: the last phase, with the whole budget."""
    return replace(config, initial=str(checkpoint), phases=(replace(config.phases[-1], share=1.0),))


def read_train_config(path: Path) -> TrainConfig:
    """Read a run's YAML.

    Raises:
        InputError: unreadable, an unknown or missing key.
    """
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path}: {error}".replace("\n", " ")) from error
    return train_config(document, str(path))


def train_config(document: Any, where: str) -> TrainConfig:
    """A run of plain YAML values; `where` names them in errors.

    Raises:
        InputError: an unknown, missing or wrong key.
    """
    return build(TrainConfig, document, where)


def build(kind: type, value: Any, where: str) -> Any:
    """A (nested) dataclass from plain YAML values; raises InputError."""
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected keys and values, got {value!r}")
    hints = get_type_hints(kind)
    unknown = set(value) - {f.name for f in fields(kind)}
    if unknown:
        raise InputError(f"{where}: unknown key {', '.join(sorted(unknown))}")
    made = {k: _convert(hints[k], v, f"{where}: {k}") for k, v in value.items()}
    try:
        return kind(**made)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint):
        return build(hint, value, where)
    for kind in (PhaseConfig, DataConfig):
        if hint == tuple[kind, ...]:
            return tuple(build(kind, v, f"{where}[{i}]") for i, v in enumerate(value))
    if isinstance(value, list):
        return tuple(value)
    return value
