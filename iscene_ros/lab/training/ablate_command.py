"""`iscene ablate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `iscene ablate`."""
    parser.epilog = (
        "Every variant is trained with every seed and the same budget, then scored on held-out "
        "families. Finished runs are kept: the same command goes on after a stop, and with more "
        "--seeds adds to the table."
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML of recipe and variants")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"), help="folder of runs")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder of the samples")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="of training a run (default: the recipe's)")
    budget.add_argument("--steps", type=int, help="of training a run, whatever the machine's load")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each variant (%(default)s)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="variants (default: all)")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=0, help="torch threads (0: all cores)")
    parser.add_argument("--workers", type=int, default=1, help="processes that make samples")


def run(args: argparse.Namespace) -> int:
    """Train and score; write ablations.md and ablations.csv after every run, print the table."""
    import torch
    from tqdm import tqdm

    from iscene_ros.completion.scene_completer import resolved_device
    from iscene_ros.lab.evaluation.report import write_text
    from iscene_ros.lab.training.ablation import Workplace, run_ablation
    from iscene_ros.lab.training.ablation_config import read_ablation
    from iscene_ros.lab.training.ablation_report import ablation_csv, ablation_report

    if args.threads:
        torch.set_num_threads(args.threads)
    ablation = read_ablation(args.config).with_budget(args.minutes, args.steps)
    if args.only:
        ablation = ablation.only(args.only)
    place = Workplace(args.out, args.cache, resolved_device(args.device), args.workers)
    results, report = [], ""
    count = args.seeds * len(ablation.variants)
    for result in tqdm(run_ablation(ablation, args.seeds, place), total=count, unit="run"):
        if result is None:
            print("iscene ablate: stopped; the same command goes on from there", file=sys.stderr)
            return INTERRUPTED
        results.append(result)
        report = ablation_report(ablation, results, _command(args))
        write_text(args.out / "ablations.md", report)
        write_text(args.out / "ablations.csv", ablation_csv(results))
    print(report)
    return 0


def _command(args: argparse.Namespace) -> str:
    parts = ["iscene ablate --config", str(args.config), "--seeds", str(args.seeds)]
    for name in ("minutes", "steps"):
        if getattr(args, name) is not None:
            parts += [f"--{name}", f"{getattr(args, name):g}"]
    if args.only:
        parts += ["--only", *args.only]
    return " ".join(parts)
