"""A network without the effect of one of its parts."""

from types import SimpleNamespace

import pytest
import torch
from tiny_model import tiny_inputs, tiny_network
from torch.testing import assert_close

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.errors import InputError
from iscene_ros.lab.evaluation import command
from iscene_ros.lab.evaluation.inference_ablation import (
    ABLATIONS,
    MeanTokens,
    WithoutScene,
    without_part,
)
from iscene_ros.models.mini.checkpoint import save_weights
from iscene_ros.models.mini.scene_sampler import SceneSamplerOptions, sample_scene
from iscene_ros.models.model_config import CompletionOptions

OPTIONS = SceneSamplerOptions(mirror_average=False)


def test_without_scene_context_the_scene_slot_does_not_matter():
    network, inputs = tiny_network(), tiny_inputs(3)
    volume = inputs.volume.clone()
    volume[0] = 0
    other = type(inputs)(volume, inputs.positions, inputs.numbers)
    expected = sample_scene(network, inputs, OPTIONS, 0).x0
    network.transformer = WithoutScene(network.transformer)
    first, second = (sample_scene(network, i, OPTIONS, 0).x0 for i in (inputs, other))
    assert_close(first, second)
    assert not torch.allclose(first, expected)


@torch.inference_mode()
def test_the_mean_of_all_tokens_says_nothing_of_any():
    network = tiny_network()
    transformer = MeanTokens(network.transformer)
    tokens, time, positions = torch.randn(2, 64, 16), torch.ones(2), torch.rand(2, 64, 4)
    made, _ = transformer(tokens, time, positions)
    expected, _ = network.transformer(tokens, time, positions)
    assert_close(made, expected.mean((0, 1)).expand_as(made))


def test_the_completer_itself_is_left_as_it_was(tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_weights(tiny_network(), path)
    completer = SceneCompleter.from_pretrained(str(path), "cpu", CompletionOptions(relations=False))
    inputs = tiny_inputs(3)
    before = sample_scene(completer.shapes.model.network, inputs, OPTIONS, 0).x0
    for part in ABLATIONS:
        ablated = without_part(completer, part).shapes.model.network
        assert not torch.allclose(sample_scene(ablated, inputs, OPTIONS, 0).x0, before)
    assert_close(sample_scene(completer.shapes.model.network, inputs, OPTIONS, 0).x0, before)


def test_a_released_model_has_no_such_parts():
    with pytest.raises(InputError, match="for iscene-mini alone"):
        without_part(SceneCompleter(SimpleNamespace(model=object())), "scene-context")


def test_the_command_offers_all_parts():
    assert set(command.PARTS) == set(ABLATIONS)
