"""The training objective: times, weights, overlap; errors of a recipe; the held-out score."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_model import TINY
from tiny_run import CONFIG, make_samples
from torch.testing import assert_close

from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.batches import StepNoise, make_batch
from iscene_ros.lab.training.held_out import held_out_score
from iscene_ros.lab.training.objective import (
    FREE_SPACE_WEIGHT,
    SCENE_WEIGHT,
    ObjectiveOptions,
    flow_loss,
    predict,
    soft_overlap,
    training_times,
    voxel_weights,
)
from iscene_ros.lab.training.shards import read_shard
from iscene_ros.lab.training.train_config import read_train_config
from iscene_ros.models.iscene.scene_flow_config import MiniConfig, SceneFlowConfig
from iscene_ros.models.mini.grid_blocks import depth_to_space
from iscene_ros.models.mini.network import VolumeSceneFlow


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return make_samples(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def batch(cache):
    views = read_shard(CONFIG.shard_options(CONFIG.phases[0].data, cache), 0)
    return make_batch(views, 4, np.zeros(len(views), bool), torch.device("cpu"))


def noise_of(slots: int, resolution: int = 16, seed: int = 0) -> StepNoise:
    generator = torch.Generator().manual_seed(seed)
    return StepNoise(
        np.zeros(0, bool),
        torch.randn(slots, generator=generator),
        torch.rand(slots, generator=generator),
        torch.randn((slots, *(resolution,) * 3), generator=generator),
    )


def network(prediction: str = "x", seed: int = 0) -> VolumeSceneFlow:
    torch.manual_seed(seed)
    return VolumeSceneFlow(replace(TINY, prediction=prediction)).eval()


@torch.no_grad()
def test_pure_noise_is_unseen_by_a_network_of_x_and_seen_by_one_of_v(batch):
    ones = torch.ones(len(batch.target))
    for prediction, sees in (("x", False), ("v", True)):
        one, other = (
            predict(network(prediction), noise_of(len(ones), seed=seed).voxels, ones, batch)
            for seed in (1, 2)
        )
        assert bool((one - other).abs().max() > 1e-3) == sees, prediction


@torch.no_grad()
def test_the_last_layer_of_a_v_network_is_the_velocity(batch):
    """At t = 0 its x0 is x_t; an output of zeros is a velocity of zero at any time."""
    v = network("v")
    slots = len(batch.target)
    noisy = noise_of(slots).voxels
    assert_close(predict(v, noisy, torch.zeros(slots), batch), noisy)
    torch.nn.init.zeros_(v.head.weight)
    torch.nn.init.zeros_(v.head.bias)
    assert_close(predict(v, noisy, torch.full((slots,), 0.7), batch), noisy)


def test_times_are_logit_normal_but_for_the_share_at_pure_noise():
    times = training_times(noise_of(20_000, 1), ObjectiveOptions(pure_noise_share=0.25))
    assert (times == 1).float().mean() == pytest.approx(0.25, abs=0.02)
    logits = torch.logit(times[times < 1].double())
    assert logits.mean() == pytest.approx(1, abs=0.05)
    assert logits.std() == pytest.approx(1, abs=0.05)


@torch.no_grad()
def test_a_surface_weight_moves_the_loss_towards_the_error_near_surfaces(batch):
    n, noise = network(), noise_of(len(batch.target))
    pure = ObjectiveOptions(pure_noise_share=1)
    x0 = predict(n, noise.voxels, torch.ones(len(noise.voxels)), batch)
    error, near = (x0 - batch.target).abs(), batch.target.abs() < 0.5
    free = batch.volume[:, 3]
    weight = 1 - (1 - FREE_SPACE_WEIGHT) * free
    weight[: batch.scene_count] *= SCENE_WEIGHT
    assert_close(flow_loss(n, batch, pure, noise), (error * weight).sum() / weight.sum())
    heavy = flow_loss(n, batch, replace(pure, surface_weight=1e6), noise)
    surface = (error * weight)[near].sum() / weight[near].sum()
    assert_close(heavy, surface, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_an_overlap_weight_adds_the_missed_overlap_of_each_slot(batch):
    n, noise = network(), noise_of(len(batch.target))
    pure = ObjectiveOptions(pure_noise_share=1)
    x0 = predict(n, noise.voxels, torch.ones(len(noise.voxels)), batch)
    missed = 1 - soft_overlap(x0, batch.target, 0.125)
    plain = flow_loss(n, batch, pure, noise)
    both = flow_loss(n, batch, replace(pure, overlap_weight=2.0), noise)
    weight = voxel_weights(batch, pure).sum((1, 2, 3))
    assert_close(both, plain + 2 * (missed * weight).sum() / weight.sum())


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
        ("phases: [{objective: {distill_steps: 2}}]", "objective: unknown key distill_steps"),
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
