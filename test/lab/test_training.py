"""Samples on disk and the training loop: deterministic, resumable, in two phases."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_run import INSTANCES, SCENES, SINGLES, TWO_PHASES
from torch.testing import assert_close

from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.batches import StepNoise, make_batch, step_noise
from iscene_ros.lab.training.data_stream import StreamPosition, mini_batches, shard_order
from iscene_ros.lab.training.objective import ObjectiveOptions, flow_loss
from iscene_ros.lab.training.samples import CropSamples, SampleOptions, draw_view, sample_crops
from iscene_ros.lab.training.shards import ShardOptions, ShardSet, read_shard, write_shard
from iscene_ros.lab.training.train_config import (
    DataConfig,
    PhaseConfig,
    read_train_config,
)
from iscene_ros.lab.training.trainer import Trainer, learning_rate

ROOT = Path(__file__).parents[2]


def noise_for(views: list[CropSamples]) -> StepNoise:
    return step_noise(views, (0,))


def options_of(data: DataConfig, cache: Path) -> ShardOptions:
    return TWO_PHASES.shard_options(data, cache)


def test_a_shard_depends_on_its_seed_and_index_alone(cache, tmp_path):
    first = options_of(SCENES, cache).path(0).read_bytes()
    again = write_shard(options_of(SCENES, tmp_path), 0)
    assert again.read_bytes() == first
    other = write_shard(replace(options_of(SCENES, tmp_path), seed=9, directory=tmp_path / "b"), 0)
    assert other.read_bytes() != first


def test_worker_processes_make_the_missing_shards(tmp_path):
    options = replace(options_of(INSTANCES, tmp_path), count=2, views=1)
    shards = ShardSet([options], workers=1)
    views = [shards.read(index) for index in range(2)]
    shards.close()
    assert [len(v) for v in views] == [1, 1]


def test_a_missing_shard_is_made_when_there_are_no_workers(tmp_path):
    options = replace(options_of(INSTANCES, tmp_path), views=1)
    assert len(ShardSet([options], workers=0).read(0)) == 1
    assert options.path(0).exists()


def test_several_sets_are_read_as_one_each_at_its_share(cache):
    many, few = options_of(SCENES, cache), options_of(INSTANCES, cache)
    shards = ShardSet([replace(many, count=4), replace(few, count=2)], workers=0)
    assert len(shards) == 6
    owners = [shards._path(i).parent.name for i in range(6)]
    assert owners == ["scenes", "instances", "scenes", "scenes", "instances", "scenes"]
    assert_close(shards.read(0)[0].target, read_shard(many, 0)[0].target)


def test_a_phase_rejects_sets_with_and_without_scene_crops():
    with pytest.raises(ValueError, match="more_data"):
        PhaseConfig("scenes", SCENES, 1.0, more_data=(INSTANCES,))
    with pytest.raises(ValueError, match="share: 0, expected more than 0"):
        PhaseConfig("scenes", SCENES, 0)


def test_a_shard_of_another_resolution_is_rejected(cache):
    with pytest.raises(InputError, match="expected 32"):
        read_shard(replace(options_of(SCENES, cache), resolution=32), 0)


def test_the_target_agrees_with_what_the_camera_saw():
    """Voxels that the camera saw to be empty are outside; the visible surface is the zero level."""
    rng = np.random.default_rng(5)
    options = SampleOptions(scene=SINGLES)
    options = replace(options, sensor=replace(options.sensor, clean_share=1.0))
    view = draw_view(rng, options)
    sample = sample_crops(view, options, 32, 4.0)
    target = sample.target[1].float() / 127
    channels = sample.volumes.channels()[1]
    free, near = channels[3] > 0, (channels[0].abs() < 0.2) & (channels[5] > 0) & (channels[0] != 0)
    assert (target[free] > 0).float().mean() > 0.99
    assert target[near].abs().mean() < 0.3
    assert (target < 0).any()


def test_batches_put_scene_crops_first_and_say_whose_they_are(cache):
    views = read_shard(options_of(SCENES, cache), 0)
    batch = make_batch(views, 4, np.array([False] * len(views)), torch.device("cpu"))
    counts = [len(v.target) - 1 for v in views]
    assert len(batch.target) == sum(counts) + len(views)
    assert batch.scene_of_crop.tolist() == [i for i, n in enumerate(counts) for _ in range(n)]
    assert_close(batch.target[0], views[0].target[0].float() / 127)
    assert_close(batch.target[len(views)], views[0].target[1].float() / 127)


def test_a_mirrored_batch_is_the_batch_of_the_mirrored_view(cache):
    views = read_shard(options_of(SCENES, cache), 0)[:1]
    cpu = torch.device("cpu")
    straight = make_batch(views, 4, np.array([False]), cpu)
    mirrored = make_batch(views, 4, np.array([True]), cpu)
    assert_close(mirrored.volume.flip(2), straight.volume)
    assert_close(mirrored.target.flip(1), straight.target)
    grid = mirrored.positions.unflatten(1, (4, 4, 4)).flip(1).flatten(1, 3)
    grid = grid * torch.tensor([-1.0, 1, 1, 1])
    assert_close(grid, straight.positions, atol=1e-5, rtol=0)


def test_packing_respects_the_budget_and_loses_nothing(cache):
    shards = ShardSet([options_of(INSTANCES, cache)], workers=0)
    stream = mini_batches(shards, StreamPosition(), crops=2)
    first, second = next(stream), next(stream)
    assert sum(len(v.target) for v in first.views) <= 2
    assert len(first.views) + len(second.views) == INSTANCES.views
    assert (first.following, second.following) == (StreamPosition(0, 1), StreamPosition(1, 0))
    sizes = sorted(float(v.sizes[0]) for v in first.views + second.views)
    assert sizes == sorted(float(v.sizes[0]) for v in shards.read(0))


def test_the_noise_of_a_mini_batch_depends_on_its_position_alone(cache):
    shards = ShardSet([options_of(INSTANCES, cache)], workers=0)
    stream = mini_batches(shards, StreamPosition(), crops=2, seed=7)
    first, second = next(stream), next(stream)
    again = next(mini_batches(shards, first.following, crops=2, seed=7))
    assert_close(again.noise.voxels, second.noise.voxels, rtol=0, atol=0)
    other = next(mini_batches(shards, first.following, crops=2, seed=8))
    assert not torch.equal(other.noise.voxels, second.noise.voxels)


def test_later_passes_over_the_shards_are_shuffled_but_complete(cache):
    order = shard_order(20, SCENES.seed, 0)
    first, second = ([next(order)[1] for _ in range(20)] for _ in range(2))
    assert first == list(range(20)) and sorted(second) == first and second != first


def test_the_loss_of_a_perfect_prediction_is_zero(cache):
    views = read_shard(options_of(SCENES, cache), 0)
    batch = make_batch(views, 4, np.zeros(2, bool), torch.device("cpu"))

    class Oracle:
        def __init__(self):
            self.rows = iter((batch.target[:2], batch.target[2:]))

        def __call__(self, noisy, time, volume, positions, scene=None):
            class Memory:
                def rows(self, index):
                    return None

            return next(self.rows), Memory()

    loss = flow_loss(Oracle(), batch, ObjectiveOptions(), noise_for(views))
    assert loss.item() == 0


def test_a_run_goes_through_both_phases_and_keeps_its_best_weights(cache, tmp_path):
    config = replace(TWO_PHASES, minutes=0.02)
    trainer = Trainer(config, tmp_path, cache, workers=0)
    trainer.run()
    assert trainer.progress.phase == 2
    for name in ("latest", "best_instances", "best_scenes"):
        assert (tmp_path / f"{name}.safetensors").exists(), name
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert rows[0].startswith("phase,step,seconds") and len(rows) == 3
    assert rows[1].startswith("instances") and rows[2].startswith("scenes")


def test_training_lowers_the_loss(cache, tmp_path):
    config = replace(TWO_PHASES, phases=(replace(TWO_PHASES.phases[1], warmup_steps=5),))
    views = read_shard(options_of(SCENES, cache), 0)
    batch = make_batch(views, 4, np.zeros(len(views), bool), torch.device("cpu"))

    def loss(trainer: Trainer) -> float:
        with torch.no_grad():
            noise = noise_for(views)
            return flow_loss(trainer.network, batch, ObjectiveOptions(), noise).item()

    trainer = Trainer(config, tmp_path, cache, workers=0, max_steps=40)
    before = loss(trainer)
    trainer.run()
    assert loss(trainer) < 0.7 * before


def test_the_learning_rate_rises_stays_and_falls():
    phase = PhaseConfig("x", INSTANCES, 1.0, learning_rate=2.0, warmup_steps=10, decay_share=0.5)
    assert learning_rate(phase, 0, 0.0) == pytest.approx(0.2)
    assert learning_rate(phase, 10, 0.4) == pytest.approx(2.0)
    assert learning_rate(phase, 99, 0.75) == pytest.approx(1.0)
    assert learning_rate(phase, 99, 1.1) == 0


def test_the_shipped_recipe_is_readable_and_has_the_two_phases():
    config = read_train_config(ROOT / "config" / "train_mini.yaml")
    assert [p.name for p in config.phases] == ["instances", "scenes"]
    assert not config.phases[0].data.samples.with_scene_crop
    assert config.phases[1].data.samples.with_scene_crop
    assert config.held_out.samples.held_out
