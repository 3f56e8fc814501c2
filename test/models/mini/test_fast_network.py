"""Lower precision and compilation change an answer by rounding alone."""

import platform

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import tiny_inputs, tiny_network
from torch.testing import assert_close

from iscene_ros.core.errors import ModelError
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions
from iscene_ros.models.mini.fast_network import FastNetwork
from iscene_ros.models.mini.int8_convolutions import Int8Convolution
from iscene_ros.models.mini.scene_sampler import SceneSamplerOptions, sample_scene

needs_integers = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="integer convolutions are for x86"
)
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


@needs_integers
def test_integers_come_close_to_float32_and_leave_the_network_alone():
    network, inputs = tiny_network(), tiny_inputs(3)
    exact = sample_scene(network, inputs, OPTIONS, 0).x0
    rough = sample_scene(FastNetwork(network, "int8", False), inputs, OPTIONS, 0).x0
    assert rough.dtype == torch.float32 and not torch.equal(rough, exact)
    assert (rough - exact).abs().mean() < 0.03 * exact.abs().mean()
    assert_close(sample_scene(network, inputs, OPTIONS, 0).x0, exact)


@needs_integers
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), low=st.floats(-5, 4), width=st.floats(0, 5))
def test_an_integer_convolution_is_off_by_its_rounding(seed, low, width):
    torch.manual_seed(seed)
    convolution = torch.nn.Conv3d(8, 6, 3, padding=1)
    x = low + width * torch.rand(2, 8, 5, 5, 5)
    with torch.inference_mode():
        off = (Int8Convolution(convolution)(x) - convolution(x)).abs().max()
    weight = convolution.weight.detach().abs()
    largest = float(weight.amax()) / 127 / 2
    step = (max(low + width, 0.0) - min(low, 0.0)) / 127
    bound = step * float(weight.sum((1, 2, 3, 4)).max()) + 27 * 8 * largest * float(x.abs().max())
    assert off <= 0.5 * bound + 1e-5


@needs_integers
def test_integers_are_not_compiled():
    with pytest.raises(ModelError, match="not compiled"):
        FastNetwork(tiny_network(), "int8", True)


def test_a_processor_without_integer_convolutions_is_told_so(monkeypatch):
    def missing(*_):
        raise NotImplementedError("Could not run 'onednn::qconv_prepack'")

    monkeypatch.setattr("iscene_ros.models.mini.int8_convolutions.Int8Convolution", missing)
    with pytest.raises(ModelError, match="no integer convolutions on this processor; use float32"):
        FastNetwork(tiny_network(), "int8", False)


def test_an_unknown_precision_is_named():
    with pytest.raises(ModelError, match="int3"):
        FastNetwork(tiny_network(), "int3", False)
