"""The published sizes of the scene-context flow, and its sampler."""

import pytest
import torch
from torch.testing import assert_close

from iscene_ros.models.iscene.config import SceneFlowConfig
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.sampling.flow_sampler import (
    Guidance,
    SamplerOptions,
    integrate,
    seeded_noise,
)


def test_instances_see_their_scene_in_the_published_blocks():
    with torch.device("meta"):
        network = SceneFlowTransformer(SceneFlowConfig())
    assert [i for i, b in enumerate(network.blocks) if b.scene_context] == [10, 11, 12, 13, 14]


def test_the_release_schedule_has_19_guided_of_25_steps():
    options = SamplerOptions.release()
    schedule = options.schedule()
    assert len(schedule) == 25 and sum(step.guided for step in schedule) == 19
    times = options.times()
    assert times[0] == 1 and times[-1] == 0
    assert times[12] == pytest.approx(3 * 0.52 / (1 + 2 * 0.52))


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_a_straight_flow_reaches_its_end_in_any_number_of_steps(steps):
    end = torch.randn(5)
    options = SamplerOptions(steps=steps)
    result = integrate(lambda x, step: (x - end) / step.time, torch.randn(5), options)
    assert_close(result, end, atol=1e-5, rtol=0)


def test_guidance_extrapolates_from_the_unconditional_velocity():
    options = SamplerOptions(steps=1, guidance=2.0)
    guided = Guidance(options)(options.schedule()[0], torch.tensor(1.0), torch.tensor(0.5))
    assert_close(guided, torch.tensor(3 * 1.0 - 2 * 0.5))


def test_noise_depends_on_seed_and_number_alone():
    assert_close(seeded_noise((4,), 3, 7), seeded_noise((4,), 3, 7))
    assert not torch.equal(seeded_noise((4,), 3, 7), seeded_noise((4,), 3, 8))
    assert not torch.equal(seeded_noise((4,), 3, 7), seeded_noise((4,), 4, 7))
