"""The training of iscene-mini 2: samples, pool, state in parts, loss, devices, resumed runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from iscene_ros.cli.main import main
from iscene_ros.core.errors import InputError
from iscene_ros.lab.synthetic.everyday_families import EVERYDAY_GROUPS
from iscene_ros.lab.synthetic.pack_rows import rows_of_packs
from iscene_ros.lab.synthetic.random_scenes import SceneOptions
from iscene_ros.lab.synthetic.shape_families import HELD_OUT_FAMILIES
from iscene_ros.lab.training.multiview import sprint
from iscene_ros.lab.training.multiview.config import read_run_config
from iscene_ros.lab.training.multiview.fused_views import with_ramps
from iscene_ros.lab.training.multiview.initial_weights import new_network
from iscene_ros.lab.training.multiview.objective import ObjectiveOptions, completion_loss
from iscene_ros.lab.training.multiview.pool import SamplePool
from iscene_ros.lab.training.multiview.samples import FineSampleOptions, FineSamples, draw_samples
from iscene_ros.lab.training.multiview.shards import ShardSet, read_shard, write_shard
from iscene_ros.lab.training.multiview.trainer import Trainer
from iscene_ros.lab.training.samples import SampleOptions
from iscene_ros.models.mini2.checkpoint import load_model
from iscene_ros.models.mini2.config import Mini2Config
from iscene_ros.models.mini2.network import MultiScaleNetwork
from iscene_ros.preprocess.view_readings import FineVolumes

TINY = Mini2Config(16, 4.0, (8, 8, 8, 8), (1, 1, 1, 1), (1, 1, 1))
ALONE = SampleOptions(scene=SceneOptions(single_share=1.0, max_objects=1))


def empty_samples(count: int, value: int = 0, device: str = "cpu") -> FineSamples:
    side = 16
    grid = torch.zeros((count, side, side, side), dtype=torch.int8, device=device)
    gap = torch.zeros((count, 8, 8, 8), dtype=torch.int8, device=device)
    support = torch.zeros(count, device=device)
    volumes = FineVolumes(grid + value, gap, grid.to(torch.uint8), support)
    return FineSamples(volumes, grid, torch.ones(count, dtype=torch.uint8, device=device))


def test_a_shard_is_the_same_each_time_it_is_made(tmp_path):
    options = FineSampleOptions(base=ALONE, resolution=16, truncation=2.0, single_share=1.0)
    first = ShardSet(tmp_path / "a", 1, 2, 5, options)
    again = ShardSet(tmp_path / "b", 1, 2, 5, options)
    one, other = (read_shard(write_shard(s, 0)) for s in (first, again))
    assert len(one.target) > 0
    assert torch.equal(one.target, other.target)
    assert torch.equal(one.volumes.surface, other.volumes.surface)
    assert one.volumes.gap.shape[1:] == (8, 8, 8)
    assert (one.views == 1).all()


def test_fused_samples_have_several_views():
    options = FineSampleOptions(base=ALONE, resolution=16, single_share=0.0, most_views=3)
    drawn = [draw_samples(np.random.default_rng([1, k]), options) for k in range(3)]
    counts = [int(s.views[0]) for samples in drawn for s in samples]
    assert counts and max(counts) > 1


def test_no_held_out_family_is_trained_on():
    trained = {family.__name__ for group in EVERYDAY_GROUPS.values() for family in group}
    assert not trained & set(HELD_OUT_FAMILIES)


def test_packs_in_rows_stand_beside_each_other():
    for seed in range(6):
        scene = rows_of_packs(np.random.default_rng(seed))
        placed = scene.placed()
        assert 1 <= len(placed) <= 12 and scene.segmented.any()
        if len(placed) > 1:
            assert placed[0].distance(placed[1].points_world).min() > -2e-3


def test_ramps_change_depth_at_jumps_alone():
    depth = np.full((20, 20), 0.5, np.float32)
    depth[:, 10:] = 1.0
    depth[3, 3] = 0
    ramped = with_ramps(depth, np.random.default_rng(0))
    assert (ramped[:, :6] == depth[:, :6]).all() and (ramped[:, 14:] == depth[:, 14:]).all()
    assert ((ramped[:, 9] > 0.5) & (ramped[:, 9] < 1.0)).all()


def test_the_pool_replaces_its_oldest_samples():
    pool = SamplePool(4, torch.device("cpu"))
    pool.add(empty_samples(3, 1))
    pool.add(empty_samples(3, 2))
    assert pool.count == 4 and pool.total == 6
    kept = pool.draw(64).volumes.surface[:, 0, 0, 0]
    assert set(kept.tolist()) == {1, 2}
    assert (kept == 2).sum() > (kept == 1).sum()


def test_a_state_comes_back_from_its_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(sprint, "PART_BYTES", 1000)
    state = {"network": {"w": torch.randn(50)}, "average": {"w": torch.ones(50)}, "optimizers": [1]}
    assert len(sprint.write_parts(state, tmp_path)) > 1
    back = sprint.read_parts(tmp_path)
    assert torch.equal(back["network"]["w"], state["network"]["w"])
    assert back["optimizers"] is None


def test_the_loss_falls_on_a_sample_that_is_shown_again_and_again():
    torch.manual_seed(0)
    network = new_network(TINY)
    samples = empty_samples(2)
    target = torch.linspace(-1, 1, 16).expand(2, 16, 16, 16)
    observed_free = torch.zeros(2, 16, 16, 16, dtype=torch.bool)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        loss = completion_loss(network(samples.volumes), target, observed_free, ObjectiveOptions())
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(float(loss.total.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_no_tensor_of_a_step_is_left_on_another_device():
    with torch.device("meta"):
        network = MultiScaleNetwork(TINY)
    samples = empty_samples(2, device="meta")
    predicted = network(samples.volumes)
    target = samples.target.float() / 127
    loss = completion_loss(predicted, target, samples.volumes.surface >= 127, ObjectiveOptions())
    loss.total.backward()
    assert loss.total.device.type == "meta"
    assert all(p.grad.device.type == "meta" for p in network.parameters())


@pytest.fixture(scope="module")
def tiny_config(tmp_path_factory):
    """The YAML of a run of a tiny network, and the folder of its samples."""
    samples = {
        "resolution": 16,
        "truncation": 4.0,
        "single_share": 1.0,
        "base": {"scene": {"single_share": 1, "max_objects": 1}},
    }
    one_set = {"shards": 1, "scenes": 3, "samples": samples}
    model = {
        "resolution": 16,
        "truncation": 4.0,
        "channels": [8, 8, 8, 8],
        "encoder_blocks": [1, 1, 1, 1],
        "decoder_blocks": [1, 1, 1],
    }
    document = {
        "model": model,
        "batch": 2,
        "precision": "float32",
        "sets": [{"name": "few", **one_set}],
        "held_out": {"name": "held_out", **one_set},
    }
    folder = tmp_path_factory.mktemp("multiview")
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(document))
    config = read_run_config(path)
    for data in (*config.sets, config.held_out):
        write_shard(config.shards(data, folder / "cache"), 0)
    return path, folder / "cache"


def test_a_run_resumes_where_it_was_stopped_and_decays_beside_its_state(tiny_config, tmp_path):
    path, cache = tiny_config
    out = tmp_path / "run"
    arguments = ["--out", str(out), "--cache", str(cache), "--workers", "0", "--device", "cpu"]
    train = ["train", "--config", str(path), *arguments]
    assert main([*train, "--max-steps", "2"]) == 0
    config = read_run_config(path)
    trainer = Trainer(config, out, cache)
    assert trainer.steps == 2 and trainer.optimizers[1].state_dict()["state"]
    state = (out / "state.pt").read_bytes()
    trainer.decay(minutes=0.01)
    assert (out / "state.pt").read_bytes() == state
    assert load_model(out / "decayed_2.safetensors").network.config == config.model


def test_a_state_of_another_network_is_rejected(tiny_config, tmp_path):
    path, cache = tiny_config
    config = read_run_config(path)
    trainer = Trainer(config, tmp_path, cache)
    trainer.plateau(max_steps=1)
    wider = replace(config, model=replace(TINY, channels=(16, 8, 8, 8)))
    with pytest.raises(InputError, match="state.pt"):
        Trainer(wider, tmp_path, cache)
