"""Fitting a checkpoint's surface level to rendered scenes."""

from types import SimpleNamespace

import pytest

from iscene_ros.evaluation.certainties import calibration
from iscene_ros.evaluation.rendered_scenes import EvaluationOptions
from iscene_ros.model.config import MiniConfig


@pytest.mark.parametrize("bias", [-0.05, 0.1])
def test_a_network_that_is_off_by_a_constant_gets_it_as_its_level(bias, monkeypatch):
    truths = []

    def sample(*arguments):
        truths.append(calibration_sample(*arguments))
        return truths[-1]

    def look(observation, plan, sampler):
        target = truths[-1].target[1:].numpy()
        assert len(plan.instances) == len(target)
        return SimpleNamespace(mean=target / 127 + bias)

    calibration_sample = calibration.sample_slots
    monkeypatch.setattr(calibration, "sample_slots", sample)
    completer = SimpleNamespace(
        model=SimpleNamespace(network=SimpleNamespace(config=MiniConfig(resolution=16))),
        shapes=SimpleNamespace(look=look),
        options=SimpleNamespace(sampler=None),
    )
    options = EvaluationOptions(scenes=3, seed=5, held_out=False)
    assert calibration.fit_level(completer, options) == pytest.approx(bias)
    assert truths
