"""A larger network begins as the smaller one that it has grown from."""

import copy
from dataclasses import replace

import pytest
import torch
from tiny_model import TINY, tiny_inputs, tiny_network
from torch.testing import assert_close

from iscene_ros.core.errors import ModelError
from iscene_ros.lab.training.growth import grown
from iscene_ros.models.iscene.scene_flow_config import MiniConfig
from iscene_ros.models.mini.checkpoint import load_model, save_weights
from iscene_ros.models.mini.network import VolumeSceneFlow

LARGE = replace(TINY, middle_channels=16, middle_layers=1, encoder_layers=2, decoder_layers=2)


def predicted(network: VolumeSceneFlow) -> torch.Tensor:
    inputs = tiny_inputs(3)
    noisy = torch.randn(3, 16, 16, 16, generator=torch.Generator().manual_seed(2))
    volume, positions = inputs.volume, inputs.positions
    _, memory = network(noisy[:1], torch.ones(1), volume[:1], positions[:1])
    rows = memory.rows(torch.zeros(2, dtype=torch.long))
    return network(noisy[1:], torch.full((2,), 0.7), volume[1:], positions[1:], rows)[0]


def without_tokens(network: VolumeSceneFlow) -> VolumeSceneFlow:
    """A copy in which nothing comes back from the transformer."""
    silent = copy.deepcopy(network)
    torch.nn.init.zeros_(silent.up_grid.weight)
    torch.nn.init.zeros_(silent.up_grid.bias)
    return silent


@torch.no_grad()
def test_more_blocks_change_nothing_at_first():
    small = tiny_network()
    large = grown(small, replace(TINY, encoder_layers=2, decoder_layers=3))
    assert_close(predicted(large), predicted(small), rtol=0, atol=0)


@torch.no_grad()
@pytest.mark.parametrize("config", [LARGE, replace(TINY, flow=replace(TINY.flow, num_blocks=4))])
def test_what_is_coarser_than_the_grid_begins_silent(config):
    small = tiny_network()
    assert_close(predicted(grown(small, config)), predicted(without_tokens(small)))


def test_what_is_new_learns_within_two_steps():
    large = grown(tiny_network(), LARGE)
    optimizer = torch.optim.SGD(large.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        predicted(large).square().mean().backward()
        optimizer.step()
    learning = {n for n, p in large.named_parameters() if p.grad.abs().max() > 0}
    new = {
        n for n, _ in large.named_parameters() if n.startswith(("middle.", "transformer.blocks"))
    }
    assert new <= learning


def test_of_equal_sizes_it_is_a_copy():
    small = tiny_network()
    copied = grown(small, TINY)
    assert copied is not small
    for name, tensor in small.state_dict().items():
        assert_close(copied.state_dict()[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize(
    "other",
    [
        replace(TINY, decoder_layers=0),
        replace(TINY, grid_channels=16),
        replace(LARGE, truncation=3.0),
    ],
)
def test_the_grid_may_not_change(other):
    with pytest.raises(ModelError, match="cannot grow into"):
        grown(tiny_network(), other)


@torch.no_grad()
def test_a_network_with_a_middle_level_is_read_back(tmp_path):
    large = grown(tiny_network(), LARGE)
    torch.nn.init.normal_(large.middle.up.weight)
    save_weights(large, tmp_path / "large.safetensors", dtype=torch.float32)
    read = load_model(tmp_path / "large.safetensors").network
    assert read.config == LARGE
    assert_close(predicted(read), predicted(large.eval()))


def test_a_middle_level_needs_tokens_of_four_voxels():
    with pytest.raises(ValueError, match="multiple of 4"):
        MiniConfig(resolution=24, middle_channels=16, flow=replace(TINY.flow, tokens_per_side=4))
