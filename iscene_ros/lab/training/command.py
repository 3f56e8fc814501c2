"""`iscene train`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from iscene_ros.lab.training.malloc_tuning import tune_malloc
from iscene_ros.lab.training.ranks import Ranks
from iscene_ros.lab.training.train_config import continued_from, read_train_config

if TYPE_CHECKING:
    from iscene_ros.lab.training.trainer import Trainer

SEVERAL = "torchrun --nproc-per-node 2 -m iscene_ros train --config FILE --out FOLDER"
SIGNALLED = 128  # + the signal's number is the exit code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene train`."""
    parser.epilog = (
        "A run ends by itself when its budget is spent; the same command resumes one that was "
        f"stopped, by a signal or otherwise. On several GPUs or processes: {SEVERAL}"
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML of the run")
    parser.add_argument("--out", type=Path, default=Path("runs/mini"), help="folder of the run")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder of the samples")
    parser.add_argument(
        "--initial",
        type=Path,
        metavar="CHECKPOINT",
        help="go on from these weights with the config's last phase alone",
    )
    parser.add_argument("--minutes", type=float, help="wall-clock budget (default: the config's)")
    parser.add_argument("--max-steps", type=int, help="stop after so many steps; resumable")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=0, help="torch threads (0: all cores)")
    parser.add_argument(
        "--show-data", type=Path, metavar="PNG", help="draw a sheet of the samples, train nothing"
    )
    parser.add_argument(
        "--rates", action="store_true", help="measure how fast samples are made and trained on"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that make samples")


def run(args: argparse.Namespace) -> int:
    """Train, or resume the run in `--out`; or only draw its data."""
    import torch

    if args.show_data:
        from iscene_ros.lab.training.data_sheet import data_sheet

        config = read_train_config(args.config)
        data_sheet([(d.seed, d.samples) for p in config.phases for d in p.sets]).save(
            args.show_data
        )
        return 0

    tune_malloc()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    config = read_train_config(args.config)
    if args.rates:
        from iscene_ros.lab.training.rates import measure_rates

        print(measure_rates(config, device))
        return 0

    from iscene_ros.lab.training.trainer import Trainer

    if args.initial:
        config = continued_from(config, args.initial)
    if args.minutes is not None:
        config = replace(config, minutes=args.minutes)
    ranks = Ranks.from_environment()
    device = ranks.device(device)
    ranks.start(device)
    try:
        options = (device, args.workers, args.max_steps, ranks)
        trainer = Trainer(config, args.out, args.cache, *options)
        if ranks.leads:
            print(_opening(trainer), file=sys.stderr)
        trainer.run()
    finally:
        ranks.finish()
    return _farewell(trainer) if trainer.stop.signal else 0


def _opening(trainer: Trainer) -> str:
    count, steps = trainer.ranks.count, trainer.progress.total_steps
    start = f"resuming {trainer.directory} at step {steps}" if steps else str(trainer.directory)
    if count > 1:
        return f"iscene train: {start}, {count} processes"
    return f"iscene train: {start}, one process; on several GPUs: {SEVERAL}"


def _farewell(trainer: Trainer) -> int:
    if trainer.ranks.leads:
        steps = trainer.progress.total_steps
        print(
            f"iscene train: stopped by a signal; {trainer.state_path} holds step {steps}, "
            "the same command goes on from there",
            file=sys.stderr,
        )
    return SIGNALLED + trainer.stop.signal
