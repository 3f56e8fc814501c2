"""The second stage, and both stages of a scene: equal to the release's schedule."""

from dataclasses import dataclass, replace

import pytest
import torch
from call_counter import CallCounter
from random_weights import convert_torso, randomised
from release_schedule import paired, release_scene, release_slat
from torch import nn
from torch.testing import assert_close

from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.networks.slat_flow import SlatFlow
from iscene_ros.models.iscene.networks.structure_decoder import StructureDecoder
from iscene_ros.models.iscene.sampling.flow_sampler import SamplerOptions
from iscene_ros.models.iscene.sampling.presets import preset
from iscene_ros.models.iscene.sampling.scene_stages import sample_scene_latents
from iscene_ros.models.iscene.sampling.slat_stage import SlatOptions, sample_slat

CONFIG = ReleaseConfig.tiny()
SAMPLER = SamplerOptions(steps=3, rescale=3.0, guidance=3.0)
OPTIONS = SlatOptions(SAMPLER)
COUNTS = (30, 12, 21)


@dataclass(frozen=True)
class TinyNetworks:
    """Random networks of the tiny sizes."""

    structure_flow: nn.Module
    structure_decoder: nn.Module
    slat_flow: nn.Module
    config: ReleaseConfig = CONFIG


def tiny_networks(dtype=torch.float64):
    return TinyNetworks(
        randomised(SceneFlowTransformer(CONFIG.structure_flow)).to(dtype),
        randomised(StructureDecoder(CONFIG.structure_decoder)).to(dtype),
        randomised(SlatFlow(CONFIG.slat_flow)).to(dtype),
    )


def tiny_context(rows, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, 7, CONFIG.slat_flow.cond_channels, generator=generator).to(dtype)


def random_cells(counts=COUNTS):
    """Sorted cells of the tiny grid."""
    generator = torch.Generator().manual_seed(2)
    side = CONFIG.slat_flow.resolution
    picked = (torch.randperm(side**3, generator=generator)[:n].sort().values for n in counts)
    return [torch.stack([i // side**2, i // side % side, i % side], 1) for i in picked]


def sampled(flow, options=OPTIONS, progress=None, dtype=torch.float64):
    generator = torch.Generator().manual_seed(9)
    noise = torch.randn(sum(COUNTS), CONFIG.slat_flow.in_channels, generator=generator)
    context = tiny_context(len(COUNTS), dtype)
    return sample_slat(
        flow,
        random_cells(),
        context,
        noise.split(COUNTS),
        CONFIG.slat_normalization,
        options,
        progress,
    )


def assert_relatively_close(actual, expected, tolerance):
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        assert torch.equal(one.coords, other.coords)
        scale = other.features.abs().max().item()
        difference = one.features.double() - other.features.double()
        assert difference.abs().max() <= tolerance * scale


@pytest.fixture(scope="module")
def released():
    """Three instances in the release's schedule, in double precision."""
    return release_slat(
        tiny_networks().slat_flow,
        random_cells(),
        tiny_context(3),
        torch.Generator().manual_seed(9),
        SAMPLER,
        CONFIG.slat_normalization,
    )


def test_it_is_the_release_schedule(released):
    assert_relatively_close(sampled(tiny_networks().slat_flow), released, 1e-9)


def test_single_precision_is_near(released):
    flow = tiny_networks(torch.float32).slat_flow
    latents = sampled(flow, dtype=torch.float32)
    assert latents[0].features.dtype == torch.float32
    assert_relatively_close(latents, released, 1e-5)
    convert_torso(flow, torch.bfloat16)
    assert_relatively_close(sampled(flow, dtype=torch.float32), released, 0.1)


@pytest.mark.parametrize("max_cells", [1, 70, 90])
def test_groups_of_instances_leave_the_result(released, max_cells):
    calls = CallCounter()
    options = replace(OPTIONS, max_cells=max_cells)
    latents = sampled(tiny_networks().slat_flow, options, calls)
    assert_relatively_close(latents, released, 1e-9)
    # Both passes of: each instance alone; the last two together; the first two together.
    assert max(calls.counts) == {1: 2, 70: 4, 90: 4}[max_cells]


@pytest.mark.parametrize("instances", [1, 3])
def test_a_scene_in_exact_equals_the_release(instances):
    networks, context = tiny_networks(), tiny_context(1 + instances)
    released = release_scene(networks, paired(context), seed=5)
    scene = sample_scene_latents(networks, context, preset("exact", CONFIG), seed=5)
    assert all(len(cells) > 20 for cells in scene.cells)
    assert_relatively_close(scene.latents, released, 1e-9)


def test_an_instance_without_cells_is_reported_and_the_others_go_on():
    networks, context = tiny_networks(), tiny_context(3)
    whole = sample_scene_latents(networks, context, preset("exact", CONFIG), seed=5)
    decoder = networks.structure_decoder
    first = whole.structure[1]

    class BlindToTheFirst(nn.Module):
        def forward(self, latents):
            logits = decoder(latents)
            return -torch.ones_like(logits) if torch.equal(latents[0], first) else logits

    blind = replace(networks, structure_decoder=BlindToTheFirst())
    options = replace(preset("exact", CONFIG), release_noise=False)
    scene = sample_scene_latents(blind, context, options, seed=5)
    assert [len(cells) == 0 for cells in scene.cells][0]
    assert scene.latents[0] is None
    without = sample_scene_latents(networks, context, options, seed=5)
    assert_relatively_close(scene.latents[1:], without.latents[1:], 1e-9)


def test_without_release_noise_an_instance_does_not_depend_on_the_others():
    networks, context = tiny_networks(), tiny_context(4)
    options = preset("balanced", CONFIG)
    many = sample_scene_latents(networks, context, options, seed=5)
    few = sample_scene_latents(networks, context[:2], options, seed=5)
    assert_relatively_close(few.latents, many.latents[:1], 1e-9)


def test_structure_only_stops_after_the_first_stage():
    networks, context = tiny_networks(), tiny_context(3)
    scene = sample_scene_latents(networks, context, preset("structure-only", CONFIG), seed=5)
    whole = sample_scene_latents(networks, context, preset("exact", CONFIG), seed=5)
    assert scene.latents == (None, None)
    assert_close(scene.structure, whole.structure)
    assert torch.equal(scene.cells[1], whole.cells[1])
