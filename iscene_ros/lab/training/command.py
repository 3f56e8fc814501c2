"""`iscene train`."""

from __future__ import annotations

import argparse
import ctypes
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from iscene_ros.core.errors import InputError

if TYPE_CHECKING:
    from iscene_ros.lab.training.trainer import Trainer

SIGNALLED = 128  # + the signal's number is the exit code
# Parameters of glibc's mallopt(3), from malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
MALLOC_SETTINGS = (
    # The largest that glibc takes (HEAP_MAX_SIZE / 2); smaller blocks then come from the heap.
    (M_MMAP_THRESHOLD, 32 * 1024**2),
    (M_TRIM_THRESHOLD, 2**31 - 1),
    (M_TOP_PAD, 256 * 1024**2),
)


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

    from iscene_ros.lab.training.run_config import read_run_config
    from iscene_ros.lab.training.shards import missing_shards, write_shard
    from iscene_ros.lab.training.trainer import Trainer
    from iscene_ros.lab.training.weights import mean_network
    from iscene_ros.models.mini.checkpoint import save_weights
    from iscene_ros.models.registry import resolved_device

    for name, number in (("threads", args.threads), ("workers", args.workers)):
        if number < 0:
            raise InputError(f"--{name}: {number}, expected 0 or more")
    tune_malloc()
    if args.threads:
        torch.set_num_threads(args.threads)
    config = read_run_config(args.config)
    if args.average:
        path = args.out / "average.safetensors"
        save_weights(mean_network(args.average), path)
        print(f"written to {path}")
        return 0
    if args.samples_only:
        for group in ([config.held_out], config.sets):
            for shards, number in missing_shards([config.shards(s, args.cache) for s in group]):
                print(write_shard(shards, number), flush=True)
        return 0
    trainer = Trainer(config, args.out, args.cache, resolved_device(args.device), args.initial)
    start = f" from step {trainer.steps}" if trainer.steps else ""
    print(f"iscene train: {args.out}{start}", file=sys.stderr)
    _train(trainer, args)
    if trainer.stop.signal is None:
        return 0
    print(
        f"iscene train: stopped by a signal; {trainer.state_path} holds step "
        f"{trainer.steps}, the same command resumes it",
        file=sys.stderr,
    )
    return SIGNALLED + trainer.stop.signal


def _train(trainer: Trainer, args: argparse.Namespace) -> None:
    from iscene_ros.lab.training.shards import existing_shards, shard_makers
    from iscene_ros.lab.training.sprint import Sprint

    sprint = trainer.config.sprint
    is_decay = args.decay is not None
    if is_decay and trainer.steps == 0:
        raise InputError(f"--decay: {trainer.state_path} does not exist; train first")
    if not is_decay and sprint is not None:
        minutes = sprint.minutes if args.minutes is None else args.minutes
        Sprint(trainer, replace(sprint, minutes=minutes)).run()
        return
    if (is_decay or args.workers == 0) and not existing_shards(trainer.sets):
        raise InputError(
            f"--cache {args.cache}: holds no samples of this config; make them first "
            "(--samples-only), or train with --workers 1 or more"
        )
    if is_decay:
        trainer.decay(args.decay)
        return
    with shard_makers([[trainer.held_out], trainer.sets], args.workers):
        trainer.plateau(args.minutes, args.max_steps)


def tune_malloc() -> bool:
    """Make glibc keep freed blocks for the next tensors; return False where it is not glibc.

    By default every tensor above about a megabyte is mapped from the system and unmapped again,
    and the system fills its pages with zeros each time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    return all([mallopt(parameter, value) == 1 for parameter, value in MALLOC_SETTINGS])
