"""`python -m iscene_ros.lab.training.multiview`: make samples, decay from the plateau, or score."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from iscene_ros.lab.training.malloc_tuning import tune_malloc
from iscene_ros.lab.training.multiview.config import RunConfig, read_run_config
from iscene_ros.lab.training.multiview.shards import missing_shards, write_shard
from iscene_ros.lab.training.multiview.trainer import Trainer


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands; see `--help`."""
    parser = argparse.ArgumentParser(prog="python -m iscene_ros.lab.training.multiview")
    parser.add_argument("command", choices=["make", "decay", "score"])
    parser.add_argument("--config", type=Path, default=Path("config/train_mini2.yaml"))
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder of the samples")
    parser.add_argument("--out", type=Path, default=Path("runs/mini2"), help="folder of the run")
    parser.add_argument("--minutes", type=float, default=20.0, help="processor time of a decay")
    parser.add_argument(
        "--wall-minutes", type=float, default=float("inf"), help="longest time of a decay"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(arguments)
    tune_malloc()
    torch.set_num_threads(args.threads)
    config = read_run_config(args.config)
    if args.command == "make":
        _make(config, args.cache, args.device)
        return 0
    trainer = Trainer(config, args.out, args.cache, args.device)
    if args.command == "decay":
        trainer.decay(args.minutes, args.wall_minutes)
    else:
        print(trainer.score(), flush=True)
    return 0


def _make(config: RunConfig, cache: Path, device: str) -> None:
    """Make all missing samples, those of the held-out families first."""
    held_out = [config.shards(config.held_out, cache)]
    sets = [config.shards(s, cache) for s in config.sets]
    for group in (held_out, sets):
        for shards, number in missing_shards(group):
            print(write_shard(shards, number, device), flush=True)


if __name__ == "__main__":
    sys.exit(main())
