"""Training: its objective, its recipes, and runs that are stopped, resumed and decayed."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from tiny_model import TINY
from tiny_samples import empty_samples
from torch.testing import assert_close

from iscene_ros.cli.main import main
from iscene_ros.core.errors import InputError, ModelError
from iscene_ros.lab.training import sprint
from iscene_ros.lab.training.objective import completion_loss, soft_overlap
from iscene_ros.lab.training.run_config import read_run_config
from iscene_ros.lab.training.shards import write_shard
from iscene_ros.lab.training.trainer import StopRequest, Trainer
from iscene_ros.lab.training.weights import new_network
from iscene_ros.models.mini.checkpoint import load_model, save_weights
from iscene_ros.models.mini.network import MiniNetwork

RECIPES = Path(__file__).parents[2] / "config"


def test_a_soft_overlap_tells_solids_apart_and_pulls_them_together():
    axis = torch.linspace(-1, 1, 16)
    radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)[None]
    ball, smaller = radius - 0.8, (radius - 0.4).requires_grad_()
    assert_close(soft_overlap(ball, ball, 0.1), torch.ones(1))
    assert soft_overlap(ball, -ball, 0.01) < 0.1
    overlap = soft_overlap(smaller, ball, 0.01)
    assert overlap.item() == pytest.approx(0.5**3, abs=0.03)
    overlap.backward()
    assert (smaller.grad <= 0).all() and (smaller.grad < 0).any()  # more solid, more overlap


def test_the_loss_falls_on_a_sample_that_is_shown_again_and_again():
    torch.manual_seed(0)
    network = new_network(TINY)
    samples = empty_samples(2)
    target = torch.linspace(-1, 1, 16).expand(2, 16, 16, 16)
    observed_free = torch.zeros(2, 16, 16, 16, dtype=torch.bool)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        loss = completion_loss(network(samples.volumes), target, observed_free)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(float(loss.total.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_no_tensor_of_a_step_is_left_on_another_device():
    with torch.device("meta"):
        network = MiniNetwork(TINY)
    samples = empty_samples(2, device="meta")
    predicted = network(samples.volumes)
    target = samples.target.float() / 127
    loss = completion_loss(predicted, target, samples.volumes.surface >= 127)
    loss.total.backward()
    assert loss.total.device.type == "meta"
    assert all(p.grad.device.type == "meta" for p in network.parameters())


def test_a_new_network_leaves_the_finest_level_to_training():
    network = new_network(TINY)
    assert not network.fine_head.weight.any() and network.grid_head.weight.any()


@pytest.mark.parametrize("name", ["train_mini", "gpu", "gpu_smoke"])
def test_recipes_can_be_read_and_hold_families_out(name):
    config = read_run_config(RECIPES / f"{name}.yaml")
    assert config.held_out.samples.base.held_out
    assert not any(data.samples.base.held_out for data in config.sets)
    seeds = [data.seed for data in (*config.sets, config.held_out)]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {resolutoin: 32}", "model: unknown key resolutoin"),
        ("model: {resolution: 30}", "resolution: 30, expected a multiple of 16"),
        ("sprint: {distill_steps: 2}", "sprint: unknown key distill_steps"),
        ("batch: 3", "model"),
        (
            "{model: {resolution: 32}, sets: [{name: few, shards: 1}], "
            "held_out: {name: none, shards: 1}}",
            "few: samples of resolution 64 and truncation 8.0, expected those of the model, 32",
        ),
        ("batch: many", "batch: 'many', expected a whole number"),
        ("learning_rate: 6e-4", "learning_rate: '6e-4', expected a number such as 6.0e-4"),
        ("seed: null", "seed: None, expected a whole number"),
        ("model: {channels: [8, 8, 8]}", "model: channels: 3 levels, expected 4"),
        ("model: {channels: 8}", "channels: 8, expected a list"),
        ("sprint: {minutes: true}", "sprint: minutes: True, expected a number"),
        ("- 1", "expected keys and values"),
        ("{", "expected the YAML of a training run"),
    ],
)
def test_a_wrong_option_is_named_with_its_place(tmp_path, text, message):
    path = tmp_path / "train.yaml"
    path.write_text(text + "\n")
    with pytest.raises(InputError, match=message):
        read_run_config(path)


def test_a_state_comes_back_from_its_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(sprint, "PART_BYTES", 1000)
    state = {"network": {"w": torch.randn(50)}, "average": {"w": torch.ones(50)}, "optimizers": [1]}
    parts = sprint.write_parts(state, tmp_path)
    assert len(parts) > 1
    whole = tmp_path / "state.pt"
    whole.write_bytes(b"".join(part.read_bytes() for part in parts))
    back = torch.load(whole, weights_only=True)
    assert torch.equal(back["network"]["w"], state["network"]["w"])
    assert back["optimizers"] is None


@pytest.fixture(scope="module")
def tiny_config(tmp_path_factory):
    """The YAML of a run of a tiny network, and the folder of its samples."""
    grid = {"resolution": 16, "truncation": 4.0}
    base = {"scene": {"single_share": 1, "max_objects": 1}}
    one_set = {"shards": 1, "scenes": 3, "samples": {**grid, "single_share": 1.0, "base": base}}
    blocks = {"encoder_blocks": [1, 1, 1, 1], "decoder_blocks": [1, 1, 1]}
    document = {
        "model": {**grid, **blocks, "channels": [8, 8, 8, 8]},
        "batch": 2,
        "precision": "float32",
        "sets": [{"name": "few", **one_set}],
        "held_out": {"name": "held_out", **one_set},
    }
    folder = tmp_path_factory.mktemp("training")
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(document))
    config = read_run_config(path)
    for data in (*config.sets, config.held_out):
        write_shard(config.shards(data, folder / "cache"), 0)
    return path, folder / "cache"


def test_a_run_resumes_where_it_was_stopped_and_decays_beside_its_state(
    tiny_config, tmp_path, capsys
):
    path, cache = tiny_config
    out = tmp_path / "run"
    arguments = ["--out", str(out), "--cache", str(cache), "--workers", "0", "--device", "cpu"]
    train = ["train", "--config", str(path), *arguments]
    assert main([*train, "--max-steps", "2"]) == 0
    config = read_run_config(path)
    trainer = Trainer(config, out, cache)
    assert trainer.steps == 2 and trainer.optimizers[1].state_dict()["state"]
    state = (out / "state.pt").read_bytes()
    for steps in ("1", "2"):  # the run has them
        assert main([*train, "--max-steps", steps]) == 0
        assert (out / "state.pt").read_bytes() == state
    assert main([*train, "--decay", "0.01"]) == 0
    assert (out / "state.pt").read_bytes() == state
    assert main([*train, "--decay", "0"]) == 2
    nowhere = str(tmp_path / "nowhere")
    assert main([*train, "--out", nowhere, "--decay", "1"]) == 2
    assert "train first" in capsys.readouterr().err
    assert load_model(out / "decayed_2.safetensors").network.config == config.model


def test_the_average_of_checkpoints_has_the_means_of_their_weights(tiny_config, tmp_path, capsys):
    config = read_run_config(tiny_config[0])
    wider = replace(config.model, channels=(16, 8, 8, 8))
    networks = {"one": MiniNetwork(config.model), "two": MiniNetwork(config.model)}
    for name, network in {**networks, "wider": MiniNetwork(wider)}.items():
        save_weights(network, tmp_path / name)
    train = ["train", "--config", str(tiny_config[0]), "--out", str(tmp_path / "run"), "--average"]
    assert main([*train, str(tmp_path / "one"), str(tmp_path / "two")]) == 0
    one, two = (network.state_dict() for network in networks.values())
    mean = load_model(tmp_path / "run" / "average.safetensors").network.state_dict()
    for name, tensor in mean.items():
        assert_close(tensor, 0.5 * (one[name] + two[name]), rtol=2e-3, atol=1e-4)
    assert main([*train, str(tmp_path / "one"), str(tmp_path / "wider")]) == 2
    assert "channels=(16, 8, 8, 8)" in capsys.readouterr().err


def test_samples_alone_are_those_that_are_missing(tiny_config, tmp_path, capsys):
    path, _ = tiny_config
    argv = ["train", "--config", str(path), "--cache", str(tmp_path), "--samples-only"]
    assert main(argv) == 0
    made = capsys.readouterr().out.split()
    assert made == [str(tmp_path / name / "00000.z") for name in ("held_out", "few")]
    assert main(argv) == 0 and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--threads", "-1"), "--threads: -1, expected 0 or more"),
        (("--workers", "-1"), "--workers: -1, expected 0 or more"),
        (("--workers", "0"), "holds no samples of this config; make them first (--samples-only)"),
    ],
)
def test_what_cannot_train_is_one_line(tiny_config, tmp_path, capsys, arguments, message):
    argv = ["train", "--config", str(tiny_config[0]), "--out", str(tmp_path), *arguments]
    assert main([*argv, "--cache", str(tmp_path / "empty"), "--device", "cpu"]) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("iscene: error: ") and message in line


def test_a_damaged_shard_ends_a_run_with_its_name(tiny_config, tmp_path, capsys):
    path, cache = tiny_config
    broken = tmp_path / "cache" / "few" / "00000.z"
    broken.parent.mkdir(parents=True)
    broken.write_bytes((cache / "few" / "00000.z").read_bytes()[:-9])
    argv = ["train", "--config", str(path), "--cache", str(tmp_path / "cache"), "--workers", "0"]
    assert main([*argv, "--out", str(tmp_path / "run"), "--device", "cpu"]) == 2
    assert f"{broken}: no samples of this version" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_after_its_step(tiny_config, tmp_path, number):
    path, cache = tiny_config
    trainer = Trainer(read_run_config(path), tmp_path, cache)
    step = trainer.step

    def signalled(samples, rate):
        if trainer.steps == 1:
            os.kill(os.getpid(), number)
        step(samples, rate)

    trainer.step = signalled
    trainer.plateau()
    assert trainer.stop.signal == number and trainer.steps == 2
    resumed = Trainer(read_run_config(path), tmp_path, cache)
    assert resumed.steps == 2
    for name, tensor in trainer.network.state_dict().items():
        assert_close(resumed.network.state_dict()[name], tensor, rtol=0, atol=0)


def test_a_second_interrupt_does_not_wait_for_the_step():
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # the usual meaning is back
        signal.raise_signal(signal.SIGINT)


def test_a_run_starts_from_what_fits_of_a_checkpoint(tiny_config, tmp_path):
    path, cache = tiny_config
    first = Trainer(read_run_config(path), tmp_path / "a", cache)
    first.plateau(max_steps=1)
    first.evaluate("plateau", "first.safetensors")
    weights = load_model(tmp_path / "a" / "first.safetensors").network.state_dict()
    config = read_run_config(path)
    wider = replace(config, model=replace(config.model, channels=(16, 8, 8, 8)))
    second = Trainer(wider, tmp_path / "b", cache, initial=tmp_path / "a" / "first.safetensors")
    own = second.network.state_dict()
    assert_close(own["coarse_blocks.0.conv1.weight"], weights["coarse_blocks.0.conv1.weight"])
    assert own["stem.weight"].shape != weights["stem.weight"].shape
    with pytest.raises(ModelError, match="cannot be read"):
        Trainer(config, tmp_path / "c", cache, initial=tmp_path / "missing.safetensors")


def test_a_damaged_state_and_one_of_another_network_are_rejected(tiny_config, tmp_path):
    path, cache = tiny_config
    config = read_run_config(path)
    Trainer(config, tmp_path, cache).plateau(max_steps=1)
    wider = replace(config, model=replace(config.model, channels=(16, 8, 8, 8)))
    with pytest.raises(InputError, match="state.pt: the run there has the model"):
        Trainer(wider, tmp_path, cache)
    (tmp_path / "state.pt").write_bytes(b"half a file")
    with pytest.raises(InputError, match="state.pt: cannot be read"):
        Trainer(config, tmp_path, cache)
