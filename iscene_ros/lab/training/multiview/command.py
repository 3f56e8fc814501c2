"""`iscene train` with the config of a run of iscene-mini 2."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import torch

from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.malloc_tuning import tune_malloc
from iscene_ros.lab.training.multiview.config import read_run_config
from iscene_ros.lab.training.multiview.makers import Makers
from iscene_ros.lab.training.multiview.sprint import Sprint
from iscene_ros.lab.training.multiview.trainer import Trainer
from iscene_ros.models.registry import resolved_device


def train(args: argparse.Namespace) -> Trainer:
    """Train, or resume the run in `--out`, and return its trainer.

    A config with `sprint` runs for its minutes. Another one stays on the plateau of the learning
    rate until `--minutes` or `--max-steps` are over or a signal stops it.

    Raises:
        InputError: `--show-data`, which this training does not have.
    """
    if args.show_data:
        raise InputError("--show-data: for the config of iscene-mini alone")
    tune_malloc()
    if args.threads:
        torch.set_num_threads(args.threads)
    config = read_run_config(args.config)
    device = resolved_device(args.device)
    trainer = Trainer(config, args.out, args.cache, device, args.initial)
    start = f" from step {trainer.steps}" if trainer.steps else ""
    print(f"iscene train: {args.out}{start}", file=sys.stderr)
    if config.sprint is not None:
        minutes = config.sprint.minutes if args.minutes is None else args.minutes
        Sprint(trainer, replace(config.sprint, minutes=minutes)).run()
        return trainer
    held_out = [config.shards(config.held_out, args.cache)]
    sets = [config.shards(s, args.cache) for s in config.sets]
    with Makers([held_out, sets], args.workers, "cpu"):
        trainer.plateau(args.minutes, args.max_steps)
    return trainer
