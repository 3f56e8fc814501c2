"""A run reads ahead, ends by its budget or a signal, and resumes only its own model."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_run import CONFIG, make_samples
from torch.testing import assert_close

from iscene_ros.cli.main import main
from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.prefetch import Prefetched
from iscene_ros.lab.training.rates import Rates, measure_rates
from iscene_ros.lab.training.stop_request import StopRequest
from iscene_ros.lab.training.train_config import continued_from
from iscene_ros.lab.training.trainer import Trainer
from iscene_ros.models.mini.checkpoint import load_model, save_weights

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return make_samples(tmp_path_factory.mktemp("cache"))


def test_what_is_read_ahead_comes_in_order_and_no_further_than_allowed():
    drawn = []

    def items():
        for number in range(100):
            drawn.append(number)
            yield number

    with Prefetched(items(), ahead=2) as ahead:
        assert [next(ahead) for _ in range(5)] == list(range(5))
        time.sleep(0.3)
        assert len(drawn) <= 5 + 2 + 1
    assert not any(t.name == "prefetch" for t in threading.enumerate())


def test_a_fault_of_reading_comes_where_its_item_would_have_come():
    def items():
        yield 1
        raise InputError("a damaged shard")

    with Prefetched(items()) as ahead:
        assert next(ahead) == 1
        for _ in range(2):
            with pytest.raises(InputError, match="damaged"):
                next(ahead)


def test_a_finite_stream_ends():
    with Prefetched(iter([1, 2, 3]), ahead=1) as ahead:
        assert list(ahead) == [1, 2, 3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_after_its_step_and_a_resume_misses_nothing(cache, tmp_path, number):
    straight = Trainer(CONFIG, tmp_path / "a", cache, workers=0, max_steps=4)
    straight.run()
    stopped = Trainer(CONFIG, tmp_path / "b", cache, workers=0, max_steps=4)
    step = stopped._step

    def signalled(phase, pack):
        if stopped.progress.step == 1:
            os.kill(os.getpid(), number)
        return step(phase, pack)

    stopped._step = signalled
    assert not stopped.run()
    assert stopped.stop.signal == number and stopped.progress.step == 2
    resumed = Trainer(CONFIG, tmp_path / "b", cache, workers=0, max_steps=4)
    assert resumed.progress.step == 2
    resumed.run()
    for name, tensor in straight.network.state_dict().items():
        assert_close(resumed.network.state_dict()[name], tensor, msg=name)


def test_a_second_interrupt_does_not_wait_for_the_step():
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # the usual meaning is back
        signal.raise_signal(signal.SIGINT)


def test_a_budget_in_steps_ends_the_run_whatever_the_clock_says(cache, tmp_path):
    config = replace(CONFIG, steps=3, minutes=0.0)
    trainer = Trainer(config, tmp_path, cache, workers=0)
    assert trainer.run()
    assert trainer.progress.total_steps == 3
    assert (tmp_path / "latest.safetensors").exists()


def test_a_phase_without_a_share_is_left_out(cache, tmp_path):
    phases = (replace(CONFIG.phases[0], name="none", share=0.0), *CONFIG.phases)
    trainer = Trainer(replace(CONFIG, phases=phases, steps=1), tmp_path, cache, workers=0)
    trainer.run()
    assert trainer.progress.total_steps == 1
    assert not (tmp_path / "best_none.safetensors").exists()


def test_a_finished_run_can_go_on_from_where_its_learning_rate_began_to_fall(cache, tmp_path):
    phase = replace(CONFIG.phases[0], decay_share=0.5)
    short, long = (replace(CONFIG, phases=(phase,), steps=steps) for steps in (8, 16))
    Trainer(short, tmp_path / "short", cache, workers=0).run()
    (tmp_path / "extended").mkdir()
    plateau = tmp_path / "short" / "plateau_scenes.pt"
    plateau.rename(tmp_path / "extended" / "state.pt")
    extended = Trainer(long, tmp_path / "extended", cache, workers=0)
    assert 4 <= extended.progress.step <= 5
    extended.run()
    at_once = Trainer(long, tmp_path / "at_once", cache, workers=0)
    at_once.run()
    for one, other in zip(extended.network.parameters(), at_once.network.parameters(), strict=True):
        assert_close(one, other)


def test_resuming_with_another_model_is_refused_in_one_line(cache, tmp_path):
    Trainer(CONFIG, tmp_path, cache, workers=0, max_steps=1).run()
    flow = replace(CONFIG.model.flow, model_channels=32)
    other = replace(CONFIG, model=replace(CONFIG.model, flow=flow))
    with pytest.raises(InputError, match="flow.model_channels is 24, the config says 32") as error:
        Trainer(other, tmp_path, cache, workers=0)
    assert "\n" not in str(error.value) and "another --out" in str(error.value)


def test_a_state_that_does_not_name_its_model_is_checked_by_its_weights(cache, tmp_path):
    trainer = Trainer(CONFIG, tmp_path, cache, workers=0, max_steps=1)
    trainer.run()
    state = torch.load(trainer.state_path)
    del state["model"]
    torch.save(state, trainer.state_path)
    assert Trainer(CONFIG, tmp_path, cache, workers=0).progress.step == 1
    other = replace(CONFIG, model=replace(CONFIG.model, grid_channels=16))
    with pytest.raises(InputError, match="another model"):
        Trainer(other, tmp_path, cache, workers=0)


def test_a_damaged_state_is_refused(cache, tmp_path):
    (tmp_path / "state.pt").write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"state.pt: cannot be read"):
        Trainer(CONFIG, tmp_path, cache, workers=0)


def test_a_run_starts_from_a_checkpoint(cache, tmp_path):
    first = Trainer(CONFIG, tmp_path / "a", cache, workers=0, max_steps=2)
    first.run()
    path = tmp_path / "first.safetensors"
    save_weights(first.network, path, dtype=torch.float32)
    second = Trainer(replace(CONFIG, initial=str(path)), tmp_path / "b", cache, workers=0)
    for name, tensor in first.network.state_dict().items():
        assert_close(second.network.state_dict()[name], tensor, rtol=0, atol=0)
    other = replace(CONFIG, initial=str(path), model=replace(CONFIG.model, grid_channels=16))
    with pytest.raises(InputError, match="cannot grow into"):
        Trainer(other, tmp_path / "c", cache, workers=0)


def test_going_on_from_a_checkpoint_spends_everything_on_the_last_phase():
    last = replace(CONFIG.phases[-1], share=0.9)
    two = replace(CONFIG, phases=(replace(last, name="instances", share=0.1), last))
    going_on = continued_from(two, Path("some.safetensors"))
    assert [(p.name, p.share) for p in going_on.phases] == [("scenes", 1.0)]
    assert going_on.initial == "some.safetensors" and going_on.minutes == CONFIG.minutes


def test_the_command_goes_on_from_the_shipped_weights_in_larger_sizes(tmp_path, monkeypatch):
    started = []

    def run(trainer):
        started.append(trainer)
        return True

    monkeypatch.setattr(Trainer, "run", run)
    recipe, out = ROOT / "config" / "train_mini.yaml", tmp_path / "run"
    shipped = ROOT / "iscene_ros" / "checkpoints" / "iscene_mini.safetensors"
    arguments = ["--config", str(recipe), "--out", str(out), "--initial", str(shipped)]
    assert main(["train", *arguments]) == 0
    trainer = started[0]
    assert [p.name for p in trainer.config.phases] == ["scenes"]
    weights = load_model(shipped).network.state_dict()
    assert_close(trainer.network.state_dict()["head.weight"], weights["head.weight"])


def test_the_command_says_how_to_use_several_gpus(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "torchrun --nproc-per-node 2 -m iscene_ros train" in capsys.readouterr().out


def test_rates_are_of_slots_made_and_trained_on():
    started = time.monotonic()
    rates = measure_rates(CONFIG, seconds=0.5)
    assert time.monotonic() - started < 60
    assert rates.made > 0 and rates.trained > 0
    assert "trained on 15.0 times or more" in str(Rates(made=2.0, trained=30.0))


def test_the_command_prints_rates_and_trains_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "iscene_ros.lab.training.rates.measure_rates", lambda config, device: Rates(2.0, 30.0)
    )
    recipe = ROOT / "config" / "train_mini.yaml"
    out = tmp_path / "run"
    assert main(["train", "--config", str(recipe), "--out", str(out), "--rates"]) == 0
    assert "2.0 made, 30.0 trained on" in capsys.readouterr().out
    assert not out.exists()
