"""Lower precision and compilation change an answer by rounding alone."""

import pytest
import torch
from tiny_model import tiny_inputs, tiny_network
from torch.testing import assert_close

from iscene_ros.errors import ModelError
from iscene_ros.model.fast_network import FastNetwork
from iscene_ros.model.sampler import SamplerOptions
from iscene_ros.model.scene_sampler import SceneSamplerOptions, sample_scene

OPTIONS = SceneSamplerOptions(SamplerOptions(steps=2))


def test_bfloat16_comes_close_to_float32_and_answers_in_float32():
    network, inputs = tiny_network(), tiny_inputs(3)
    exact = sample_scene(network, inputs, OPTIONS, 0).x0
    rough = sample_scene(FastNetwork(network, "bfloat16", False), inputs, OPTIONS, 0).x0
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    assert (rough - exact).abs().mean() < 0.02 * exact.abs().mean()


def test_a_traced_network_answers_as_the_network_itself():
    network, inputs = tiny_network(), tiny_inputs(3)
    fast = FastNetwork(network, "float32", True, backend="aot_eager")
    expected = sample_scene(network, inputs, OPTIONS, 0).x0
    assert_close(sample_scene(fast, inputs, OPTIONS, 0).x0, expected, atol=1e-5, rtol=1e-5)


def test_an_unknown_precision_is_named():
    with pytest.raises(ModelError, match="int3"):
        FastNetwork(tiny_network(), "int3", False)
