import numpy as np
import pytest

from iscene_ros.demo import arc2017_observation
from iscene_ros.observation import Observation


@pytest.fixture(scope="module")
def observation() -> Observation:
    return arc2017_observation()


def test_frame_becomes_an_observation(observation: Observation) -> None:
    assert observation.depth.shape == (480, 640) and observation.masks.shape == (8, 480, 640)
    assert observation.rgb.dtype == np.uint8
    assert len(observation.labels) == 8 and "mouse_traps" in observation.labels
    assert observation.world_from_camera is None and observation.gravity_camera is None
    assert not observation.camera.is_rectified and observation.stamp > 1.5e9


def test_depth_is_metres_with_holes(observation: Observation) -> None:
    readings = observation.depth > 0
    assert 0.4 < readings.mean() < 0.6
    for mask in observation.masks:
        assert (mask & readings).sum() > 1000
        assert 0.4 < np.median(observation.depth[mask & readings]) < 0.8


def test_rectification_moves_little(observation: Observation) -> None:
    rectified = observation.rectified()
    kept = rectified.masks.sum((1, 2)) / observation.masks.sum((1, 2))
    assert np.all(np.abs(kept - 1) < 0.05)
