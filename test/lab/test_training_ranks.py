"""Two processes over gloo: the same step as one process, the same run after a stop."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rank_process import first_gradients
from tiny_run import CONFIG, make_samples
from torch.testing import assert_close

from iscene_ros.lab.training.batches import Place, make_batch, packed_views
from iscene_ros.lab.training.draws import batch_draws
from iscene_ros.lab.training.ranks import Ranks
from iscene_ros.lab.training.run_state import places_of
from iscene_ros.lab.training.shards import ShardSet
from iscene_ros.lab.training.trainer import Trainer

ROOT = Path(__file__).parents[2]
HELPERS = ROOT / "test/helpers"
STEPS = 4


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return make_samples(tmp_path_factory.mktemp("cache"))


def train_on_two_processes(cache: Path, out: Path, steps: int, kill_after: int = 0) -> list[dict]:
    """What each process ended with."""
    path = os.pathsep.join([str(HELPERS), str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(HELPERS / "rank_process.py")]
    command += [str(cache), str(out), str(steps), str(kill_after)]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(out / f"rank{rank}.pt") for rank in range(2)]


def both_parts(trainer: Trainer, cache: Path, steps: int):
    """What two processes would read at each step, as one pack."""
    options = CONFIG.shard_options(CONFIG.phases[0].data, cache)
    streams = [
        packed_views(ShardSet(options, 0), Place(rank), CONFIG.batch_slots, 2, CONFIG.seed)
        for rank in range(2)
    ]
    for _ in range(steps):
        first, second = (next(stream) for stream in streams)
        views, keys = first.views + second.views, first.keys + second.keys
        draws = batch_draws(views, keys, CONFIG.seed)
        yield replace(first, views=views, keys=keys, draws=draws)


def distance(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> torch.Tensor:
    """Between two networks, all weights together but those a normalisation takes out again."""
    names = [name for name in weights if not name.endswith("conv1.bias")]
    return torch.stack([(weights[n] - others[n]).norm() for n in names]).norm()


@pytest.fixture(scope="module")
def straight(cache, tmp_path_factory) -> list[dict]:
    return train_on_two_processes(cache, tmp_path_factory.mktemp("straight"), STEPS)


def test_two_processes_with_half_the_batch_take_the_steps_of_one_with_all(
    cache, tmp_path, straight
):
    alone = Trainer(CONFIG, tmp_path, cache, workers=0)
    start = {n: t.clone() for n, t in alone.network.state_dict().items()}
    gradients = first_gradients(alone)
    for pack in both_parts(alone, cache, STEPS):
        alone._step(CONFIG.phases[0], pack)
        alone.progress.step += 1
    for name, gradient in gradients.items():
        assert_close(straight[0]["gradients"][name], gradient, rtol=1e-3, atol=1e-6, msg=name)
    for name, tensor in straight[0]["weights"].items():
        assert_close(straight[1]["weights"][name], tensor, rtol=0, atol=0)
    # Muon's bfloat16 and AdamW's signs make more of rounding than the gradients do, most where
    # a gradient is nearly nothing. One process's half alone would leave 0.45 of the way here.
    ends = alone.network.state_dict()
    assert distance(ends, straight[0]["weights"]) < 0.1 * distance(ends, start)


def test_a_signal_to_one_process_stops_all_and_a_resume_misses_nothing(cache, tmp_path, straight):
    stopped = train_on_two_processes(cache, tmp_path, STEPS, kill_after=1)
    assert [r["steps"] for r in stopped] == [2, 2]
    resumed = train_on_two_processes(cache, tmp_path, STEPS)
    assert [r["began"] for r in resumed] == [2, 2]
    for name, tensor in straight[0]["weights"].items():
        assert_close(resumed[0]["weights"][name], tensor, msg=name)


def test_the_draws_of_a_view_do_not_depend_on_its_batch(cache):
    options = CONFIG.shard_options(CONFIG.phases[0].data, cache)
    views = ShardSet(options, 0).read(0)[:2]
    keys = [(0, 0), (0, 1)]
    together = batch_draws(views, keys, seed=7)
    alone = batch_draws(views[1:], keys[1:], seed=7)
    assert together.mirror[1] == alone.mirror[0]
    assert_close(together.slots.noise[1], alone.slots.noise[0])  # scene slots come first
    instances = len(views[1].target) - 1
    assert_close(together.slots.noise[-instances:], alone.slots.noise[1:])
    batch = make_batch(views, 4, together.mirror, torch.device("cpu"))
    assert batch.target.shape == together.slots.noise.shape


def test_with_another_number_of_processes_reading_goes_on_behind_what_was_begun():
    state = {"progress": {"shard": 4, "pack": 0}, "places": [[4, 0], [5, 2]]}
    assert places_of(state, 2) == [Place(4, 0), Place(5, 2)]
    assert places_of(state, 3) == [Place(6), Place(7), Place(8)]


def test_a_state_from_before_several_processes_is_read():
    assert places_of({"progress": {"shard": 4, "pack": 3}}, 1) == [Place(4, 3)]


def test_torchrun_says_which_process_this_is(monkeypatch):
    assert Ranks.from_environment() == Ranks(0, 1, 0)
    for name, value in (("RANK", "3"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    ranks = Ranks.from_environment()
    assert ranks == Ranks(3, 4, 1) and not ranks.leads
    assert ranks.device("cuda") == "cuda:1" and ranks.device("cpu") == "cpu"
