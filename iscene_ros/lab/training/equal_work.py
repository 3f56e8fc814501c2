"""Runs of unlike networks with as much arithmetic each, whatever the machine's load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from iscene_ros.core.errors import InputError
from iscene_ros.lab.benchmarks.flops import count, on_meta
from iscene_ros.lab.training.train_config import TrainConfig
from iscene_ros.models.iscene.scene_flow_config import MiniConfig
from iscene_ros.models.mini.network import VolumeSceneFlow
from iscene_ros.preprocess.observation_volume import CHANNELS

# Passes of a network in one step, a backward one as two: of flow matching, and of distillation,
# where the teacher and the student's goal come on top.
PASSES, PASSES_DISTILLED = 3, 5


def with_equal_work(configs: Sequence[TrainConfig]) -> tuple[TrainConfig, ...]:
    """The configs with as many steps as cost what the first one's do.

    Raises:
        InputError: the first one's budget is a time.
    """
    if configs[0].steps is None:
        raise InputError("equal_work: needs a budget in steps, of the first variant")
    budget = configs[0].steps * step_work(configs[0])
    return tuple(replace(c, steps=max(1, round(budget / step_work(c)))) for c in configs)


def step_work(config: TrainConfig) -> float:
    """Floating-point operations of a step of a run, the mean over its phases."""
    passes = sum(
        phase.share * (PASSES_DISTILLED if phase.objective.distill_steps else PASSES)
        for phase in config.phases
    ) / sum(phase.share for phase in config.phases)
    return passes * config.batch_slots * slot_work(config.model)


def slot_work(config: MiniConfig) -> int:
    """Floating-point operations of one pass of an instance slot that looks at its scene."""
    network = on_meta(VolumeSceneFlow, config)
    side, tokens = config.resolution, config.flow.tokens_per_side**3
    with torch.device("meta"):
        slots = (
            torch.empty(1, side, side, side),
            torch.empty(1),
            torch.empty(1, CHANNELS, side, side, side),
            torch.empty(1, tokens, 4),
        )
        scene = network.remember(*slots)
        return count(lambda: network(*slots, scene))
