"""Recipe options: what is predicted, at which times, whose error; distillation to one step."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_model import TINY
from tiny_run import CONFIG, make_samples
from torch.testing import assert_close

from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.batches import make_batch
from iscene_ros.lab.training.draws import Draws
from iscene_ros.lab.training.held_out import held_out_score
from iscene_ros.lab.training.objective import (
    ObjectiveOptions,
    flow_loss,
    predict,
    soft_overlap,
    training_times,
)
from iscene_ros.lab.training.shards import read_shard
from iscene_ros.lab.training.train_config import read_train_config
from iscene_ros.lab.training.trainer import Trainer
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions
from iscene_ros.models.iscene.scene_flow_config import MiniConfig, SceneFlowConfig
from iscene_ros.models.mini.grid_blocks import depth_to_space
from iscene_ros.models.mini.network import VolumeSceneFlow
from iscene_ros.models.mini.scene_sampler import CropInputs, SceneSamplerOptions, sample_scene


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return make_samples(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def batch(cache):
    views = read_shard(CONFIG.shard_options(CONFIG.phases[0].data, cache), 0)
    return make_batch(views, 4, np.zeros(len(views), bool), torch.device("cpu"))


def draws(slots: int, resolution: int = 16, seed: int = 0) -> Draws:
    return Draws.of_slots(slots, resolution, torch.Generator().manual_seed(seed))


def network(prediction: str = "x", seed: int = 0) -> VolumeSceneFlow:
    torch.manual_seed(seed)
    return VolumeSceneFlow(replace(TINY, prediction=prediction)).eval()


@torch.no_grad()
def test_pure_noise_is_unseen_by_a_network_of_x_and_seen_by_one_of_v(batch):
    ones = torch.ones(len(batch.target))
    for prediction, sees in (("x", False), ("v", True)):
        one, other = (
            predict(network(prediction), draws(len(ones), seed=seed).noise, ones, batch)
            for seed in (1, 2)
        )
        assert bool((one - other).abs().max() > 1e-3) == sees, prediction


@torch.no_grad()
def test_the_last_layer_of_a_v_network_is_the_velocity(batch):
    """At t = 0 its x0 is x_t; an output of zeros is a velocity of zero at any time."""
    v = network("v")
    slots = len(batch.target)
    noisy = draws(slots).noise
    assert_close(predict(v, noisy, torch.zeros(slots), batch), noisy)
    torch.nn.init.zeros_(v.head.weight)
    torch.nn.init.zeros_(v.head.bias)
    assert_close(predict(v, noisy, torch.full((slots,), 0.7), batch), noisy)


@torch.no_grad()
def test_the_error_of_v_is_that_of_x_over_the_time(batch):
    n = network()
    at_noise = ObjectiveOptions(pure_noise_share=1.0)
    d = draws(len(batch.target))
    x, v = (flow_loss(n, batch, replace(at_noise, error_of=e), d) for e in "xv")
    assert_close(x, v)
    early = ObjectiveOptions(pure_noise_share=0.0, time_mean=-1.0)
    x, v = (flow_loss(n, batch, replace(early, error_of=e), d) for e in "xv")
    assert v > 1.5 * x


def test_times_are_spread_as_the_options_say():
    d = draws(20_000, 1)
    normal = training_times(d, ObjectiveOptions(pure_noise_share=0.25))
    assert (normal == 1).float().mean() == pytest.approx(0.25, abs=0.02)
    assert torch.logit(normal[normal < 1].double()).mean() == pytest.approx(1, abs=0.05)
    narrow = ObjectiveOptions(pure_noise_share=0, time_mean=-1, time_deviation=0.1)
    assert training_times(d, narrow).median() == pytest.approx(1 / (1 + math.e), abs=0.01)
    even = training_times(d, ObjectiveOptions(pure_noise_share=0, time_sampling="uniform"))
    assert even.mean() == pytest.approx(0.5, abs=0.02)
    assert even.std() == pytest.approx(12**-0.5, abs=0.02)


@torch.no_grad()
def test_hidden_observations_are_those_of_an_empty_volume(batch):
    n, d = network(), draws(len(batch.target))
    hidden = flow_loss(n, batch, ObjectiveOptions(unconditional_share=1.0, seen_free_weight=1), d)
    empty = replace(batch, volume=torch.zeros_like(batch.volume))
    assert_close(hidden, flow_loss(n, empty, ObjectiveOptions(seen_free_weight=1), d))


@torch.no_grad()
def test_a_surface_weight_moves_the_loss_towards_the_error_near_surfaces(batch):
    n, d = network(), draws(len(batch.target))
    even = ObjectiveOptions(pure_noise_share=1, seen_free_weight=1, scene_weight=1)
    x0 = predict(n, d.noise, torch.ones(len(d.noise)), batch)
    error, near = (x0 - batch.target).abs(), batch.target.abs() < 0.5
    heavy = flow_loss(n, batch, replace(even, surface_weight=1e6), d)
    assert_close(heavy, error[near].mean(), rtol=1e-3, atol=1e-4)
    assert_close(flow_loss(n, batch, even, d), error.mean())


def test_an_overlap_weight_adds_what_each_slot_lacks_of_its_solid(batch):
    n, d = network(), draws(len(batch.target))
    even = ObjectiveOptions(pure_noise_share=1, seen_free_weight=1, scene_weight=1)
    with torch.no_grad():
        x0 = predict(n, d.noise, torch.ones(len(d.noise)), batch)
        missed = 1 - soft_overlap(x0, batch.target, 0.125)
        plain = flow_loss(n, batch, even, d)
        both = flow_loss(n, batch, replace(even, overlap_weight=2.0), d)
    assert_close(both, plain + 2 * missed.mean())


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {prediction: y}", "prediction: 'y', expected x or v"),
        ("model: {resolution: 30}", "resolution: 30, expected an even multiple"),
        ("phases: [{objective: {time_sampling: z}}]", "expected logit_normal or uniform"),
        ("phases: [{objective: {error_of: z}}]", "expected x or v"),
        ("phases: [{objective: {distill_steps: -1}}]", "expected 0 or more"),
        ("phases: [{objective: {overlap_width: 0}}]", "overlap_width: 0, expected more than 0"),
    ],
)
def test_a_wrong_option_is_named_with_its_place(tmp_path, text, message):
    path = tmp_path / "train.yaml"
    path.write_text(text + "\n")
    with pytest.raises(InputError, match=message):
        read_train_config(path)


@pytest.mark.parametrize(("resolution", "side"), [(16, 4), (16, 8), (32, 4), (64, 8)])
@torch.no_grad()
def test_patches_of_any_even_size_give_a_grid_of_the_resolution(resolution, side):
    flow = replace(TINY.flow, tokens_per_side=side)
    config = MiniConfig(resolution, 8, 1, 1, flow=flow)
    n = VolumeSceneFlow(config)
    volume = torch.zeros(1, 12, *(resolution,) * 3)
    x0, _ = n(volume[:, 0], torch.ones(1), volume, torch.zeros(1, side**3, 4))
    assert x0.shape == (1, *(resolution,) * 3)


def test_the_channels_of_a_cell_become_its_voxels_in_order():
    x = torch.arange(27.0)[None, :, None, None, None]
    assert_close(depth_to_space(x, 3)[0, 0], torch.arange(27.0).reshape(3, 3, 3))


def test_the_shipped_sizes_are_as_before():
    config = MiniConfig(flow=SceneFlowConfig())
    assert (config.patch, config.prediction) == (4, "x")


def test_the_held_out_score_is_that_of_a_step_from_noise(cache):
    """A velocity network that is given zeros for noise would be scored on what it never does."""
    views = read_shard(CONFIG.shard_options(CONFIG.held_out, cache), 0)
    cpu, seen = torch.device("cpu"), []
    n = network("v")
    n.down_grid.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, -2]))
    held_out_score(n, views, True, cpu)
    assert all(0.8 < grid.std() < 1.2 for grid in seen)


def test_the_held_out_score_tells_a_transformer_that_says_the_same_whatever_it_is_given(cache):
    views = read_shard(CONFIG.shard_options(CONFIG.held_out, cache), 0)
    n, cpu = network("x"), torch.device("cpu")
    assert 0.01 < held_out_score(n, views, True, cpu).token_variation <= 1
    torch.nn.init.zeros_(n.transformer.out_layer.weight)
    assert held_out_score(n, views, True, cpu).token_variation < 1e-6


def scene_of(batch) -> CropInputs:
    """The slots of the batch's first scene."""
    scenes = len(batch.target) - len(batch.scene_of_slot)
    rows = [0, *(scenes + i for i, s in enumerate(batch.scene_of_slot.tolist()) if s == 0)]
    return CropInputs(batch.volume[rows], batch.positions[rows], tuple(range(len(rows))))


def sampled(n: VolumeSceneFlow, inputs: CropInputs, steps: int) -> torch.Tensor:
    options = SceneSamplerOptions(SamplerOptions(steps=steps), mirror_average=False)
    return torch.stack([sample_scene(n, inputs, options, seed).x0 for seed in range(3)])


def test_one_step_of_a_distilled_network_comes_close_to_many_of_its_teacher(cache, batch, tmp_path):
    phases = (
        replace(CONFIG.phases[0], name="flow", share=0.4),
        replace(
            CONFIG.phases[0],
            name="distilled",
            share=0.6,
            objective=ObjectiveOptions(distill_steps=4, pure_noise_share=0.4),
        ),
    )
    model = replace(TINY, prediction="v")
    config = replace(CONFIG, model=model, phases=phases, steps=100, ema_decay=0.9)
    trainer = Trainer(config, tmp_path, cache, workers=0, max_steps=70)
    trainer.run()
    teacher = tmp_path / "teacher_distilled.safetensors"
    before = teacher.read_bytes()
    resumed = Trainer(config, tmp_path, cache, workers=0)
    resumed.run()
    assert teacher.read_bytes() == before  # a resume keeps it
    inputs = scene_of(batch)
    many = sampled(resumed.teacher, inputs, 4)
    one = sampled(resumed.teacher, inputs, 1)
    distilled = sampled(resumed.average.network, inputs, 1)
    assert (distilled - many).abs().mean() < 0.75 * (one - many).abs().mean()
