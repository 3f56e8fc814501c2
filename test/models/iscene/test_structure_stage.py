"""The structure stage: equal to the release's schedule with less work."""

from dataclasses import replace

import pytest
import torch
from call_counter import CallCounter
from random_weights import convert_torso, randomised
from release_schedule import paired, release_structure
from slow_scene_flow import slow_scene_flow
from torch.testing import assert_close

from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.sampling.flow_sampler import ReleaseNoise, SamplerOptions
from iscene_ros.models.iscene.sampling.structure_stage import StructureOptions, sample_structure

CONFIG = ReleaseConfig.tiny().structure_flow
SAMPLER = SamplerOptions(steps=5, rescale=3.0, guidance=3.0)
OPTIONS = StructureOptions(SAMPLER)
SEED = 3


def tiny_flow(dtype=torch.float64):
    return randomised(SceneFlowTransformer(CONFIG)).to(dtype)


def tiny_context(instances, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1 + instances, 7, CONFIG.cond_channels, generator=generator).to(dtype)


def sampled(flow, context, options=OPTIONS, progress=None):
    noise = ReleaseNoise(SEED).structure(CONFIG.in_channels, CONFIG.tokens_per_side)
    return sample_structure(flow, context, noise, options, progress)


def assert_relatively_close(actual, expected, tolerance):
    scale = expected.abs().max().item()
    assert_close(actual.double(), expected.double(), rtol=0, atol=tolerance * scale)


@pytest.fixture(scope="module")
def released():
    """The release's schedule for three instances, in double precision: (1 + 3, C, T, T, T)."""
    generator = torch.Generator().manual_seed(SEED)
    latents = release_structure(tiny_flow(), paired(tiny_context(3)), generator, SAMPLER)
    for scene in latents[3::2]:
        assert_close(scene, latents[1])
    return torch.cat([latents[1:2], latents[::2]])


def test_the_flow_equals_its_definition():
    flow = tiny_flow(torch.float32)
    tokens = torch.randn(3, CONFIG.tokens_per_side**3, CONFIG.in_channels)
    context, time = tiny_context(2, torch.float32), 0.7
    weights = {name: tensor.double() for name, tensor in flow.state_dict().items()}
    expected = slow_scene_flow(CONFIG, weights, tokens.double(), time, context.double())
    times = torch.tensor([time], dtype=torch.float64)

    def out(flow, tokens, context):
        scene, memory = flow(tokens[:1], times, context=context[:1])
        memory = memory.rows(torch.tensor([0, 0]))
        instances, _ = flow(tokens[1:], times, scene=memory, context=context[1:])
        return torch.cat([scene, instances])

    assert_relatively_close(out(flow, tokens, context), expected, 1e-5)
    exact = out(flow.double(), tokens.double(), context.double())
    assert_relatively_close(exact, expected, 1e-12)


def test_slots_without_context_see_tokens_of_zeros():
    flow, context = tiny_flow(), tiny_context(1)
    tokens = torch.randn(3, CONFIG.tokens_per_side**3, CONFIG.in_channels, dtype=torch.float64)
    time = torch.tensor([0.4])
    zeros = torch.cat([context, torch.zeros_like(context[:1])])
    expected, _ = flow(tokens, time, context=zeros)
    for seen in (context, flow.cached_context(context)):
        assert_close(flow(tokens, time, context=seen)[0], expected)
    nothing, _ = flow(tokens, time)
    assert_close(nothing[2], expected[2])
    assert not torch.allclose(nothing[1], expected[1])


def test_the_default_equals_the_release(released):
    exact = sampled(tiny_flow(), tiny_context(3))
    assert exact.shape == (4, CONFIG.in_channels, *(CONFIG.tokens_per_side,) * 3)
    assert_relatively_close(exact, released, 1e-9)
    single = sampled(tiny_flow(torch.float32), tiny_context(3, torch.float32))
    assert single.dtype == torch.float32
    assert_relatively_close(single, released, 1e-5)


@pytest.mark.parametrize("max_slots", [1, 2, 3, 5])
def test_parts_of_a_batch_leave_the_result(released, max_slots):
    calls = CallCounter()
    options = replace(OPTIONS, max_slots=max_slots)
    latents = sampled(tiny_flow(), tiny_context(3), options, calls)
    assert max(calls.counts) <= max_slots
    assert_relatively_close(latents, released, 1e-9)


def test_scene_and_first_unconditional_pass_are_computed_once():
    calls = CallCounter()
    sampled(tiny_flow(), tiny_context(3), progress=calls)
    passes = SAMPLER.steps + sum(step.guided for step in SAMPLER.schedule())
    assert sum(calls.counts) == (3 + 1) * passes - 2


def test_half_precision_stays_near(released):
    flow = tiny_flow(torch.float32)
    convert_torso(flow, torch.bfloat16)
    assert flow.blocks[0].norm2.weight.dtype == flow.input_layer.weight.dtype == torch.float32
    assert flow.blocks[0].mlp.mlp[0].weight.dtype == torch.bfloat16
    latents = sampled(flow, tiny_context(3, torch.float32))
    assert latents.dtype == torch.float32
    assert_relatively_close(latents, released, 0.1)


def test_reusing_the_middle_blocks_is_exact_where_they_change_nothing():
    flow, context = tiny_flow(), tiny_context(2)
    for name, parameter in flow.named_parameters():
        if name.startswith(("blocks.1.", "blocks.2.")):
            parameter.zero_()
    options = replace(OPTIONS, deep_every=2)
    assert_relatively_close(sampled(flow, context, options), sampled(flow, context), 1e-12)


def test_reuse_in_parts_equals_reuse_at_once():
    flow, context = tiny_flow(), tiny_context(3)
    options = replace(OPTIONS, deep_every=2)
    at_once = sampled(flow, context, options)
    assert_close(sampled(flow, context, replace(options, max_slots=3)), at_once)
    assert not torch.allclose(at_once, sampled(flow, context), rtol=1e-3)
    assert (at_once - sampled(flow, context)).abs().max() < 0.5 * at_once.abs().max()


def test_noise_is_what_the_release_draws():
    torch.manual_seed(42)
    first, second = torch.randn(1, 2, 8, 4, 4, 4), torch.randn(5 + 4 + 3 + 4, 8)
    noise = ReleaseNoise(42)
    assert torch.equal(noise.structure(channels=8, side=4), first[0])
    drawn = noise.slat(instance_cells=(5, 3), scene_cells=4, channels=8)
    assert torch.equal(drawn[0], second[:5]) and torch.equal(drawn[1], second[9:12])
