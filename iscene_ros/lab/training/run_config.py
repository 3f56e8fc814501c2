"""The configuration of a training run, read from YAML."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from iscene_ros.core.errors import InputError
from iscene_ros.io.file_errors import read_yaml
from iscene_ros.lab.training.samples import SampleOptions
from iscene_ros.lab.training.shards import ShardSet
from iscene_ros.models.mini.config import MiniConfig

EXPECTED = "the YAML of a training run"
# YAML reads 6e-4, without a point, as a text.
SCALARS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number such as 6.0e-4",
    str: "a text",
}


@dataclass(frozen=True)
class SetConfig:
    """One set of samples; see `ShardSet`."""

    name: str
    shards: int
    scenes: int = 16
    seed: int = 0
    samples: SampleOptions = field(default_factory=SampleOptions)


@dataclass(frozen=True)
class SprintOptions:
    """How a short run on a GPU spends its time.

    Attributes:
        minutes: Time of the whole run, from its start to its score.
        score_seconds: Time kept for the score at the end.
        decay_share: Last share of the time, in which the learning rate falls to zero.
        makers: Number of processes that make samples.
        capacity: Largest number of samples that stay on the device (0.85 MB each).
        first_samples: Training begins when there are so many samples.
        save_minutes: Time between written weights.
    """

    minutes: float = 9.0
    score_seconds: float = 25.0
    decay_share: float = 0.5
    makers: int = 14
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
        batch: Crops in one step.
        learning_rate: Learning rate of the plateau for AdamW.
        warmup_steps: Steps of the linear rise to it.
        ema_decay: Decay of the moving average of the weights.
        precision: "float32" or "bfloat16" (autocast).
        seed: Seed of the weights and of the order of samples.
        sprint: How a short run on a GPU spends its time; None = a run without an end.
    """

    model: MiniConfig
    sets: tuple[SetConfig, ...]
    held_out: SetConfig
    batch: int = 8
    learning_rate: float = 6e-4
    warmup_steps: int = 50
    ema_decay: float = 0.998
    precision: str = "bfloat16"
    seed: int = 0
    sprint: SprintOptions | None = None

    def __post_init__(self) -> None:
        own = self.model.resolution, self.model.truncation
        for one in (*self.sets, self.held_out):
            grid = one.samples.resolution, one.samples.truncation
            if grid != own:
                raise ValueError(
                    f"{one.name}: samples of resolution {grid[0]} and truncation {grid[1]}, "
                    f"expected those of the model, {own[0]} and {own[1]}"
                )

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
    document = read_yaml(path, EXPECTED)
    if isinstance(document, dict) and "base" in document:
        base = read_yaml(path.parent / str(document["base"]), EXPECTED)
        if not isinstance(base, dict):
            raise InputError(f"{path}: base: {document['base']} does not hold keys and values")
        document = {**base, **{k: v for k, v in document.items() if k != "base"}}
    return build_dataclass(RunConfig, document, str(path))


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
    if get_origin(hint) is tuple:
        raise InputError(f"{where}: {value!r}, expected a list")
    kinds = (hint, *get_args(hint))
    scalars = [k for k in kinds if k in SCALARS]
    fits = type(value) in kinds or (type(value) is int and float in kinds)
    if scalars and not fits:
        raise InputError(f"{where}: {value!r}, expected {' or '.join(SCALARS[k] for k in scalars)}")
    return value
