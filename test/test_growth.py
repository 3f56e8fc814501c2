"""A larger network begins as the smaller one that it has grown from."""

from dataclasses import replace

import pytest
import torch
from tiny_model import TINY, tiny_inputs, tiny_network
from torch.testing import assert_close

from iscene_ros.errors import ModelError
from iscene_ros.model.checkpoint import load_model, save_weights
from iscene_ros.model.config import MiniConfig
from iscene_ros.model.growth import grown
from iscene_ros.model.volume_flow import VolumeSceneFlow

LARGE = replace(TINY, middle_channels=16, middle_layers=1, encoder_layers=2, decoder_layers=2)


def predicted(network: VolumeSceneFlow) -> torch.Tensor:
    inputs = tiny_inputs(3)
    noisy = torch.randn(3, 16, 16, 16, generator=torch.Generator().manual_seed(2))
    volume, positions = inputs.volume, inputs.positions
    _, memory = network(noisy[:1], torch.ones(1), volume[:1], positions[:1])
    rows = memory.rows(torch.zeros(2, dtype=torch.long))
    return network(noisy[1:], torch.full((2,), 0.7), volume[1:], positions[1:], rows)[0]


@torch.no_grad()
def test_a_grown_network_computes_what_it_did():
    small = tiny_network()
    assert_close(predicted(grown(small, LARGE)), predicted(small), rtol=0, atol=0)


@pytest.mark.parametrize("part", ["middle.up", "middle.to_tokens", "encoder.1.conv2"])
def test_what_was_added_learns_at_the_first_step(part):
    large = grown(tiny_network(), LARGE)
    predicted(large).square().mean().backward()
    assert large.get_submodule(part).weight.grad.abs().max() > 0


def test_all_of_it_learns_after_the_first_step():
    large = grown(tiny_network(), LARGE)
    optimizer = torch.optim.SGD(large.parameters(), 1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        predicted(large).square().mean().backward()
        optimizer.step()
    silent = [n for n, p in large.named_parameters() if not p.grad.abs().max() > 0]
    assert not [n for n in silent if n.startswith(("middle", "encoder", "decoder"))]


def test_of_equal_sizes_it_is_a_copy():
    small = tiny_network()
    copy = grown(small, TINY)
    assert copy is not small
    for name, tensor in small.state_dict().items():
        assert_close(copy.state_dict()[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize(
    "other",
    [
        replace(TINY, decoder_layers=0),
        replace(TINY, grid_channels=16),
        replace(LARGE, flow=replace(TINY.flow, num_blocks=4)),
    ],
)
def test_nothing_else_may_change(other):
    with pytest.raises(ModelError, match="cannot grow into"):
        grown(tiny_network(), other)


def test_a_middle_level_is_not_lost():
    with pytest.raises(ModelError, match="cannot grow into"):
        grown(VolumeSceneFlow(LARGE), replace(LARGE, middle_channels=0))


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
