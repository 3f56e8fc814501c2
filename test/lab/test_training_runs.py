"""A run reads ahead, ends by its budget or a signal, and resumes only its own model."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_run import CONFIG
from torch.testing import assert_close

from iscene_ros.cli.main import main
from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.command import fine_tuning
from iscene_ros.lab.training.data_stream import Prefetcher
from iscene_ros.lab.training.stop_request import StopRequest
from iscene_ros.lab.training.trainer import Trainer
from iscene_ros.models.mini.checkpoint import load_model, save_weights

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "config" / "train_mini.yaml"


def test_items_read_ahead_come_in_order_and_no_further_than_allowed():
    drawn = []

    def items():
        for number in range(100):
            drawn.append(number)
            yield number

    with Prefetcher(items(), ahead=2) as ahead:
        assert [next(ahead) for _ in range(5)] == list(range(5))
        time.sleep(0.3)
        assert len(drawn) <= 5 + 2 + 1
    assert not any(t.name == "prefetch" for t in threading.enumerate())


def test_a_fault_of_reading_comes_where_its_item_would_have_come():
    def items():
        yield 1
        raise InputError("a damaged shard")

    with Prefetcher(items()) as ahead:
        assert next(ahead) == 1
        for _ in range(2):
            with pytest.raises(InputError, match="damaged"):
                next(ahead)


def test_a_finite_stream_ends():
    with Prefetcher(iter([1, 2, 3]), ahead=1) as ahead:
        assert list(ahead) == [1, 2, 3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_after_its_step_and_a_resume_misses_nothing(cache, tmp_path, number):
    straight = Trainer(CONFIG, tmp_path / "a", cache, workers=0, max_steps=4)
    straight.run()
    stopped = Trainer(CONFIG, tmp_path / "b", cache, workers=0, max_steps=4)
    step = stopped._step

    def signalled(phase, mini_batch):
        if stopped.progress.step == 1:
            os.kill(os.getpid(), number)
        return step(phase, mini_batch)

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


def test_resuming_with_another_model_is_rejected_in_one_line(cache, tmp_path):
    Trainer(CONFIG, tmp_path, cache, workers=0, max_steps=1).run()
    flow = replace(CONFIG.model.flow, model_channels=32)
    other = replace(CONFIG, model=replace(CONFIG.model, flow=flow))
    with pytest.raises(InputError, match="flow.model_channels is 24, the config says 32") as error:
        Trainer(other, tmp_path, cache, workers=0)
    assert "\n" not in str(error.value) and "another --out" in str(error.value)


def test_a_damaged_state_or_one_of_another_version_is_rejected(cache, tmp_path):
    state = tmp_path / "state.pt"
    state.write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"state.pt: cannot be read"):
        Trainer(CONFIG, tmp_path, cache, workers=0)
    torch.save({"network": {}, "progress": {}}, state)
    with pytest.raises(InputError, match=r"state.pt: .* another version"):
        Trainer(CONFIG, tmp_path, cache, workers=0)


def test_a_run_starts_from_a_checkpoint_of_the_same_sizes(cache, tmp_path):
    first = Trainer(CONFIG, tmp_path / "a", cache, workers=0, max_steps=2)
    first.run()
    path = tmp_path / "first.safetensors"
    save_weights(first.network, path, dtype=torch.float32)
    second = Trainer(CONFIG, tmp_path / "b", cache, workers=0, initial=path)
    for name, tensor in first.network.state_dict().items():
        assert_close(second.network.state_dict()[name], tensor, rtol=0, atol=0)
    other = replace(CONFIG, model=replace(CONFIG.model, grid_channels=16))
    with pytest.raises(InputError, match="--initial: .*grid_channels=8.*grid_channels=16"):
        Trainer(other, tmp_path / "c", cache, workers=0, initial=path)


def test_fine_tuning_spends_everything_on_the_last_phase():
    last = replace(CONFIG.phases[-1], share=0.9)
    two = replace(CONFIG, phases=(replace(last, name="instances", share=0.1), last))
    config = fine_tuning(two)
    assert [(p.name, p.share) for p in config.phases] == [("scenes", 1.0)]
    assert config.minutes == CONFIG.minutes


def test_the_command_starts_from_the_shipped_weights(tmp_path, monkeypatch):
    started = []

    def run(trainer):
        started.append(trainer)
        return True

    monkeypatch.setattr(Trainer, "run", run)
    shipped = ROOT / "iscene_ros" / "checkpoints" / "iscene_mini.safetensors"
    arguments = ["--config", str(RECIPE), "--out", str(tmp_path / "run")]
    assert main(["train", *arguments, "--initial", str(shipped)]) == 0
    trainer = started[0]
    assert [p.name for p in trainer.config.phases] == ["scenes"]
    weights = load_model(shipped).network.state_dict()
    assert_close(trainer.network.state_dict()["head.weight"], weights["head.weight"])
