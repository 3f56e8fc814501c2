"""One of several training processes: python rank_process.py CACHE OUT STEPS [KILL_AFTER]."""

import os
import signal
import sys
from pathlib import Path

import torch
from tiny_run import CONFIG

from iscene_ros.lab.training.ranks import Ranks
from iscene_ros.lab.training.trainer import Trainer


def first_gradients(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Filled by the first step: what the optimisers get."""
    kept: dict[str, torch.Tensor] = {}
    compute = trainer.stepper.gradients

    def gradients(*arguments):
        loss = compute(*arguments)
        if not kept:
            kept.update({n: p.grad.clone() for n, p in trainer.network.named_parameters()})
        return loss

    trainer.stepper.gradients = gradients
    return kept


def main() -> None:
    cache, out, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    kill_after = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    torch.set_num_threads(1)
    ranks = Ranks.from_environment()
    ranks.start("cpu")
    trainer = Trainer(CONFIG, out, cache, "cpu", 0, steps, ranks)
    began = trainer.progress.total_steps
    gradients = first_gradients(trainer)
    if kill_after and ranks.rank == 1:
        step = trainer._step

        def killed(phase, pack):
            if trainer.progress.total_steps == kill_after:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(phase, pack)

        trainer._step = killed
    trainer.run()
    ranks.finish()
    numbers = {"began": began, "steps": trainer.progress.total_steps, "gradients": gradients}
    numbers["weights"] = trainer.network.state_dict()
    torch.save(numbers, out / f"rank{ranks.rank}.pt")


if __name__ == "__main__":
    main()
