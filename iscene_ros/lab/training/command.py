"""`iscene train`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from iscene_ros.core.errors import InputError

if TYPE_CHECKING:
    from iscene_ros.lab.training.shards import ShardSet
    from iscene_ros.lab.training.trainer import Trainer

SIGNALLED = 128  # + the signal's number is the exit code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene train`."""
    parser.epilog = (
        "A run stays on the plateau of the learning rate until its time is over or a signal stops "
        "it; the same command resumes it. --decay makes weights to ship from any point of it."
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML of the run")
    parser.add_argument("--out", type=Path, default=Path("runs/mini"), help="folder of the run")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder of the samples")
    parser.add_argument(
        "--initial", type=Path, metavar="CHECKPOINT", help="start from the weights of this file"
    )
    parser.add_argument("--minutes", type=float, help="training time (default: no end)")
    parser.add_argument("--max-steps", type=int, help="stop after so many steps; resumable")
    parser.add_argument(
        "--decay",
        type=float,
        metavar="MINUTES",
        help="let the learning rate fall to zero in this time, write the weights beside the state "
        "of the run, and leave that as it is",
    )
    parser.add_argument(
        "--average",
        type=Path,
        nargs="+",
        metavar="CHECKPOINT",
        help="write OUT/average.safetensors, the mean of the weights of these checkpoints of "
        "a run, and train nothing",
    )
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=0, help="torch threads (0: all cores)")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that make samples beside the training"
    )
    parser.add_argument(
        "--samples-only", action="store_true", help="make the missing samples, train nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Train, or resume the run in `--out`; with `--samples-only`, make its samples."""
    import torch

    from iscene_ros.lab.training.malloc_tuning import tune_malloc
    from iscene_ros.lab.training.run_config import read_run_config
    from iscene_ros.lab.training.trainer import Trainer
    from iscene_ros.models.registry import resolved_device

    tune_malloc()
    if args.threads:
        torch.set_num_threads(args.threads)
    config = read_run_config(args.config)
    if args.average:
        _average(args.average, args.out / "average.safetensors")
        return 0
    held_out = [config.shards(config.held_out, args.cache)]
    groups = [held_out, [config.shards(s, args.cache) for s in config.sets]]
    if args.samples_only:
        _make_samples(groups)
        return 0
    trainer = Trainer(config, args.out, args.cache, resolved_device(args.device), args.initial)
    start = f" from step {trainer.steps}" if trainer.steps else ""
    print(f"iscene train: {args.out}{start}", file=sys.stderr)
    _train(trainer, groups, args)
    return _report_stop(trainer) if trainer.stop.signal else 0


def _average(checkpoints: list[Path], path: Path) -> None:
    from iscene_ros.lab.training.weight_average import mean_network
    from iscene_ros.models.mini.checkpoint import save_weights

    save_weights(mean_network(checkpoints), path)
    print(f"written to {path}")


def _make_samples(groups: list[list[ShardSet]]) -> None:
    """Make all missing samples, group by group."""
    from iscene_ros.lab.training.shards import missing_shards, write_shard

    for group in groups:
        for shards, number in missing_shards(group):
            print(write_shard(shards, number), flush=True)


def _train(trainer: Trainer, groups: list[list[ShardSet]], args: argparse.Namespace) -> None:
    from iscene_ros.lab.training.makers import Makers
    from iscene_ros.lab.training.sprint import Sprint

    sprint = trainer.config.sprint
    if args.decay is not None:
        if trainer.steps == 0:
            raise InputError(f"--decay: {trainer.state_path} does not exist; train first")
        trainer.decay(args.decay)
    elif sprint is not None:
        minutes = sprint.minutes if args.minutes is None else args.minutes
        Sprint(trainer, replace(sprint, minutes=minutes)).run()
    else:
        with Makers(groups, args.workers, "cpu"):
            trainer.plateau(args.minutes, args.max_steps)


def _report_stop(trainer: Trainer) -> int:
    print(
        f"iscene train: stopped by a signal; {trainer.state_path} holds step "
        f"{trainer.steps}, the same command resumes it",
        file=sys.stderr,
    )
    return SIGNALLED + trainer.stop.signal
