"""Presets: how much work they save, and what their approximations are."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from release_schedule import paired, release_slat, release_structure
from torch.testing import assert_close

from iscene_ros.lab.benchmarks.released import count_flops, shell_cells
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.packages.loading import random_release
from iscene_ros.models.iscene.sampling.flow_sampler import (
    Guidance,
    ReleaseNoise,
    SamplerOptions,
    integrate,
    slat_noise_of,
)
from iscene_ros.models.iscene.sampling.presets import preset
from iscene_ros.models.iscene.sampling.slat_stage import sample_slat
from iscene_ros.models.iscene.sampling.structure_stage import sample_structure
from iscene_ros.models.model_config import PRESETS

CONFIG = ReleaseConfig.tiny()
INSTANCES, CELLS = 5, 200


@pytest.fixture(scope="module")
def counted():
    """Operations of both flows for a scene of tiny sizes, as released and with each preset."""
    model = random_release(CONFIG)
    cells = shell_cells(INSTANCES, CELLS, CONFIG.slat_flow.resolution)
    context = torch.randn(1 + INSTANCES, 7, CONFIG.structure_flow.cond_channels)
    flow = CONFIG.structure_flow
    noise = ReleaseNoise(0).structure(flow.in_channels, flow.tokens_per_side)
    starts = slat_noise_of((CELLS,) * INSTANCES, CONFIG.slat_flow.in_channels, 0)
    normalization, generator = CONFIG.slat_normalization, torch.Generator()

    def structure(name):
        return sample_structure(
            model.structure_flow, context, noise, preset(name, CONFIG).structure
        )

    def slat(name):
        options = preset(name, CONFIG).slat
        if options is not None:
            sample_slat(model.slat_flow, cells, context[1:], starts, normalization, options)

    def released_structure():
        sampler = CONFIG.structure_sampler
        release_structure(model.structure_flow, paired(context), generator, sampler)

    def released_slat():
        scene = torch.cat(cells).unique(dim=0)
        slots = [slot for own in cells for slot in (own, scene)]
        sampler = CONFIG.slat_sampler
        release_slat(model.slat_flow, slots, paired(context), generator, sampler, normalization)

    work = {
        name: (count_flops(partial(structure, name)), count_flops(partial(slat, name)))
        for name in PRESETS
    }
    return {"release": (count_flops(released_structure), count_flops(released_slat)), **work}


def test_exact_takes_little_more_than_half_of_the_structure_work(counted):
    assert counted["exact"][0] <= 0.56 * counted["release"][0]


def test_only_instances_are_sampled_in_the_second_stage(counted):
    assert counted["exact"][1] <= (1 / 6 + 0.05) * counted["release"][1]


def test_presets_save_what_they_promise(counted):
    parts = {name: sum(work) / sum(counted["release"]) for name, work in counted.items()}
    assert parts["exact"] < 1 / 2
    assert 1 / 6 < parts["balanced"] <= 1 / 4
    assert parts["fast"] <= 1 / 8
    assert counted["structure-only"] == (counted["exact"][0], 0)


def test_one_slot_of_the_published_flow_takes_5_tflop():
    with torch.device("meta"):
        flow = SceneFlowTransformer(ReleaseConfig().structure_flow)
        inputs = torch.empty(1, 4096, 8), torch.empty(1)
        flops = count_flops(lambda: flow(*inputs, context=torch.empty(1, 1374, 1024)))
    assert flops == pytest.approx(5.23e12, rel=1e-3)


def test_exact_samples_as_the_release_does():
    config = ReleaseConfig()
    exact = preset("exact", config)
    assert exact.structure.sampler == exact.slat.sampler == SamplerOptions.release()
    assert exact.structure.deep_every == 1 and exact.release_noise
    assert config.structure_sampler == exact.structure.sampler


def sample(velocity, noise, options):
    """Integrate a velocity of (x, time, whether conditional) with guidance."""
    guidance = Guidance(options)

    def guided(x, step):
        unconditional = velocity(x, step.time, False) if step.fresh else None
        return guidance(step, velocity(x, step.time, True), unconditional)

    return integrate(guided, noise, options)


def curved(x, time, conditional):
    """dx/dt whose solution from x(1) is x(1) exp((t^2 - 1) / 2)."""
    return x * time


def error(steps, order):
    options = SamplerOptions(steps=steps, order=order)
    exact = torch.exp(torch.tensor(-0.5, dtype=torch.float64))
    return (sample(curved, torch.ones((), dtype=torch.float64), options) - exact).abs().item()


@pytest.mark.parametrize("order", [1, 2])
def test_the_order_of_a_solver_is_what_halving_its_steps_gains(order):
    assert error(40, order) / error(80, order) == pytest.approx(2**order, rel=0.15)
    assert error(16, 2) < error(25, 1)


def test_uneven_steps_keep_the_second_order():
    def errors(steps):
        options = SamplerOptions(steps=steps, order=2, rescale=3.0)
        result = sample(curved, torch.ones((), dtype=torch.float64), options)
        return abs(result.item() - 2.718281828459045**-0.5)

    assert errors(40) / errors(80) == pytest.approx(4, rel=0.2)


def test_guidance_every_other_step_reuses_the_difference():
    options = SamplerOptions(steps=4, guidance=2.0, guidance_interval=(0.0, 1.0))
    calls = []

    def velocity(x, time, conditional):
        calls.append(conditional)
        return torch.tensor(time if conditional else time - 0.5)

    whole = sample(velocity, torch.tensor(1.0), options)
    assert calls.count(False) == 4
    calls.clear()
    # The difference is the same at all times here, so using it again changes nothing.
    assert_close(sample(velocity, torch.tensor(1.0), replace(options, guidance_every=2)), whole)
    assert calls.count(False) == 2


def test_nothing_is_extrapolated_across_the_end_of_guidance():
    def velocity(x, time, conditional):
        return torch.tensor(1.0 if conditional else 0.5)

    # Guided velocity 2 from 1 to 0.5, then 1: constant pieces, which any step length follows.
    options = SamplerOptions(steps=4, guidance=2.0, guidance_interval=(0.3, 1.0), order=2)
    assert_close(sample(velocity, torch.tensor(0.0), options), torch.tensor(-0.75 * 2 - 0.25))
