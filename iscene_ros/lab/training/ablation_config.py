"""What an ablation trains: a recipe, and variants that change some of its keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.equal_work import with_equal_work
from iscene_ros.lab.training.train_config import DataConfig, TrainConfig, build, train_config
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions


@dataclass(frozen=True)
class Scoring:
    """How a run is scored beside its voxel IoU.

    Attributes:
        scenes: rendered scenes of held-out families, 0 = none.
        seed: of the scenes.
        unseen_layouts: of which objects get a column of their own.
    """

    scenes: int = 24
    seed: int = 1000
    unseen_layouts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        name: of the variant and its folder.
        says: what differs, in words.
        against: the variant that it is compared with, "" = none.
        changes: keys of the recipe and their values, nested as there; a phase by its name.
        sampler: how the trained network is asked where objects are scored.
    """

    name: str
    says: str = ""
    against: str = ""
    changes: dict[str, Any] = field(default_factory=dict)
    sampler: SamplerOptions = field(default_factory=SamplerOptions)


@dataclass(frozen=True)
class Ablation:
    """All variants with their recipes.

    Attributes:
        variants: in the order of the table.
        configs: of each variant.
        scoring: of every run.
        equal_work: whether the steps of the first variant are a budget of arithmetic: variants
            whose steps cost more take fewer.
    """

    variants: tuple[Variant, ...]
    configs: tuple[TrainConfig, ...]
    scoring: Scoring
    equal_work: bool = False

    def only(self, names: Sequence[str]) -> Ablation:
        """Some of the variants, in the order of the table.

        Raises:
            InputError: a name that there is none of.
        """
        known = [v.name for v in self.variants]
        for name in names:
            if name not in known:
                raise InputError(f"--only: no variant {name}; there are {', '.join(known)}")
        rows = [i for i, name in enumerate(known) if name in names]
        variants, configs = ([part[i] for i in rows] for part in (self.variants, self.configs))
        return replace(self, variants=tuple(variants), configs=tuple(configs))

    def with_budget(self, minutes: float | None, steps: int | None) -> Ablation:
        """The same budget for every run; None, None = the recipe's.

        Raises:
            InputError: minutes, where equal work is asked for.
        """
        budget: dict[str, Any] = {}
        if minutes is not None or steps is not None:
            budget = {"steps": steps} if minutes is None else {"steps": None, "minutes": minutes}
        configs = tuple(replace(c, **budget) for c in self.configs)
        return replace(self, configs=with_equal_work(configs) if self.equal_work else configs)


def read_ablation(path: Path) -> Ablation:
    """Read an ablation's YAML: `recipe` (as of `iscene train`), `variants`, and what may follow.

    Raises:
        InputError: unreadable, an unknown or missing key, two variants of one name.
    """
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path}: {error}".replace("\n", " ")) from error
    expected = {"recipe", "scoring", "variants", "equal_work"}
    if not isinstance(document, dict) or not {"recipe", "variants"} <= document.keys() <= expected:
        raise InputError(
            f"{path}: expected the keys recipe, variants and perhaps scoring, equal_work"
        )
    variants = tuple(
        build(Variant, value, f"{path}: variants[{i}]")
        for i, value in enumerate(document["variants"])
    )
    names = [v.name for v in variants]
    for variant in variants:
        if names.count(variant.name) > 1 or variant.against not in ("", *names):
            raise InputError(
                f"{path}: variant {variant.name}: its name must be its own, and `against` "
                f"one of {', '.join(names)}"
            )
    recipe = document["recipe"]
    configs = tuple(
        _own_samples(train_config(changed(recipe, v.changes, f"{path}: {v.name}"), f"{path}"))
        for v in variants
    )
    scoring = build(Scoring, document.get("scoring", {}), f"{path}: scoring")
    return Ablation(variants, configs, scoring, bool(document.get("equal_work", False)))


def changed(value: Any, changes: Any, where: str) -> Any:
    """Plain YAML values with some replaced; of a list of named values, those named.

    Raises:
        InputError: a name that the list does not hold.
    """
    if isinstance(value, list) and isinstance(changes, dict):
        names = [item.get("name") for item in value]
        if missing := changes.keys() - set(names):
            raise InputError(f"{where}: no phase {', '.join(sorted(missing))} in the recipe")
        return [
            changed(item, changes.get(name, {}), where)
            for item, name in zip(value, names, strict=True)
        ]
    if isinstance(value, dict) and isinstance(changes, dict):
        merged = {k: changed(value.get(k), v, f"{where}: {k}") for k, v in changes.items()}
        return {**value, **merged}
    return changes


def recipe_key(config: TrainConfig, scoring: Scoring, sampler: SamplerOptions) -> str:
    """A short name of everything that a run's result depends on."""
    parts = [asdict(config), asdict(scoring)]
    if sampler != SamplerOptions():
        parts.append(asdict(sampler))
    return _digest(parts)


def _own_samples(config: TrainConfig) -> TrainConfig:
    """Sets of samples lie in folders that say what is in them, so equal ones are shared."""

    def named(data: DataConfig) -> DataConfig:
        grids = [config.model.resolution, config.model.truncation]
        return replace(data, name=f"{data.name}-{_digest([asdict(data), grids])}")

    phases = tuple(
        replace(p, data=named(p.data), more_data=tuple(named(d) for d in p.more_data))
        for p in config.phases
    )
    return replace(config, phases=phases, held_out=named(config.held_out))


def _digest(values: list) -> str:
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
