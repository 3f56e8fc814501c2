"""`iscene train`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from iscene_ros.lab.training.malloc_tuning import tune_malloc
from iscene_ros.lab.training.multiview.config import is_multiview
from iscene_ros.lab.training.train_config import TrainConfig, read_train_config

if TYPE_CHECKING:
    from iscene_ros.lab.training.multiview.trainer import Trainer as MultiviewTrainer
    from iscene_ros.lab.training.trainer import Trainer

SIGNALLED = 128  # + the signal's number is the exit code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene train`."""
    parser.epilog = (
        "A run ends when its budget of time is spent. The same command resumes a run that was "
        "stopped, by a signal or otherwise."
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML of the run")
    parser.add_argument("--out", type=Path, default=Path("runs/mini"), help="folder of the run")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder of the samples")
    parser.add_argument(
        "--initial",
        type=Path,
        metavar="CHECKPOINT",
        help="start from these weights, with the last phase of the config alone",
    )
    parser.add_argument("--minutes", type=float, help="training time (default: the config's)")
    parser.add_argument("--max-steps", type=int, help="stop after so many steps; resumable")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=0, help="torch threads (0: all cores)")
    parser.add_argument("--workers", type=int, default=1, help="processes that make samples")
    parser.add_argument(
        "--show-data", type=Path, metavar="PNG", help="draw a sheet of the samples, train nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Train, or resume the run in `--out`; with `--show-data`, draw the samples instead."""
    if is_multiview(args.config):
        from iscene_ros.lab.training.multiview.command import train

        trainer = train(args)
        return _report_stop(trainer, trainer.steps) if trainer.stop.signal else 0
    config = read_train_config(args.config)
    if args.show_data:
        from iscene_ros.lab.training.data_sheet import data_sheet

        sets = [(data.seed, data.samples) for phase in config.phases for data in phase.sets]
        data_sheet(sets).save(args.show_data)
        return 0

    import torch

    from iscene_ros.lab.training.trainer import Trainer
    from iscene_ros.models.registry import resolved_device

    tune_malloc()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.initial:
        config = fine_tuning(config)
    if args.minutes is not None:
        config = replace(config, minutes=args.minutes)
    trainer = Trainer(
        config,
        args.out,
        args.cache,
        device=resolved_device(args.device),
        workers=args.workers,
        max_steps=args.max_steps,
        initial=args.initial,
    )
    steps = trainer.progress.total_steps
    print(f"iscene train: {args.out}" + (f" from step {steps}" if steps else ""), file=sys.stderr)
    trainer.run()
    return _report_stop(trainer, trainer.progress.total_steps) if trainer.stop.signal else 0


def fine_tuning(config: TrainConfig) -> TrainConfig:
    """Return the run that spends the whole budget on the last phase."""
    return replace(config, phases=(replace(config.phases[-1], share=1.0),))


def _report_stop(trainer: Trainer | MultiviewTrainer, steps: int) -> int:
    print(
        f"iscene train: stopped by a signal; {trainer.state_path} holds step "
        f"{steps}, the same command resumes it",
        file=sys.stderr,
    )
    return SIGNALLED + trainer.stop.signal
