"""The training objective: times, weights, overlap; errors of a recipe."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_model import TINY
from tiny_run import CONFIG
from torch.testing import assert_close

from iscene_ros.core.errors import InputError
from iscene_ros.lab.training.batches import StepNoise, make_batch
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
from iscene_ros.models.mini.network import VolumeSceneFlow


@pytest.fixture(scope="module")
def batch(cache):
    views = read_shard(CONFIG.shard_options(CONFIG.phases[0].data, cache), 0)
    return make_batch(views, 4, np.zeros(len(views), bool), torch.device("cpu"))


def noise_of(crops: int, resolution: int = 16, seed: int = 0) -> StepNoise:
    generator = torch.Generator().manual_seed(seed)
    return StepNoise(
        np.zeros(0, bool),
        torch.randn(crops, generator=generator),
        torch.rand(crops, generator=generator),
        torch.randn((crops, *(resolution,) * 3), generator=generator),
    )


def network() -> VolumeSceneFlow:
    torch.manual_seed(0)
    return VolumeSceneFlow(TINY).eval()


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
def test_an_overlap_weight_adds_the_missed_overlap_of_each_crop(batch):
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
        ("model: {resolutoin: 32}", "model: unknown key resolutoin"),
        ("model: {resolution: 30}", "resolution: 30, expected an even multiple"),
        ("phases: [{objective: {distill_steps: 2}}]", "objective: unknown key distill_steps"),
    ],
)
def test_a_wrong_option_is_named_with_its_place(tmp_path, text, message):
    path = tmp_path / "train.yaml"
    path.write_text(text + "\n")
    with pytest.raises(InputError, match=message):
        read_train_config(path)
