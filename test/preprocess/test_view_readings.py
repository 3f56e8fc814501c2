"""What one posed depth image says at the voxels of a crop."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from iscene_ros.core.camera import Camera
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.view_readings import (
    ENVIRONMENT,
    OTHER,
    OUTSIDE,
    OWN,
    OWN_HOLE,
    PosedDepthView,
    ViewReadings,
    read_view,
)

LEVEL = GravityAlignedFrame.from_gravity(np.array([0.0, 1.0, 0.0]))


def read_wall(center: tuple[float, float, float], size: float, side: int = 32, hole: bool = False):
    """Read a wall 1 m away; the left half is the own instance, a strip at the right another one.

    The crop has an edge `size` [m] and `side` voxels along it.
    """
    depth = np.ones((100, 100), np.float32)
    masks = np.zeros((2, 100, 100), bool)
    masks[0, :, :50], masks[1, :, 75:] = True, True
    if hole:
        depth[:, :50] = 0
    camera = Camera(100, 100, np.array([[100.0, 0, 49.5], [0, 100, 49.5], [0, 0, 1]]))
    observation = Observation(depth, masks, camera)
    view = PosedDepthView.from_observation(observation, [0], LEVEL.camera_from_aligned())
    return read_view(view, torch.tensor([center]), torch.tensor([size]), side, 4.0)


def test_readings_hold_signed_distance_and_whose_pixel_it_is():
    readings = read_wall((0.0, 1.0, 0.0), 0.64)
    y = 1 + ((torch.arange(32) + 0.5) / 32 - 0.5) * 0.64
    expected = ((1 - y) / (4 * 0.02)).clamp(-1, 1)
    assert_close(readings.surface[0, 16, :, 16], expected, atol=1e-5, rtol=0)
    assert_close(readings.gap[0, 16, :, 16], (1 - y) / 0.64, atol=1e-5, rtol=0)
    assert readings.pixel_class[0, 2, 16, 16] == OWN
    assert readings.pixel_class[0, 20, 16, 16] == ENVIRONMENT
    assert readings.pixel_class[0, 31, 16, 16] == OTHER


def test_pixels_without_reading_have_no_distance():
    readings = read_wall((-0.3, 1.0, 0.0), 0.2, side=8, hole=True)
    assert (readings.surface == 0).all() and (readings.gap == 0).all()
    assert (readings.weight == 0).all() and (readings.pixel_class == OWN_HOLE).all()


@pytest.mark.parametrize("center", [(5.0, 1.0, 0.0), (0.0, -1.0, 0.0)])
def test_voxels_outside_the_image_or_behind_the_camera_are_outside(center):
    readings = read_wall(center, 0.2, side=8)
    assert (readings.pixel_class == OUTSIDE).all() and (readings.surface == 0).all()


def test_the_network_reads_nearly_what_was_measured():
    readings: ViewReadings = read_wall((0.0, 1.0, 0.0), 0.64)
    volumes = readings.quantised(torch.zeros(1))
    assert (volumes.surface / 127 - readings.surface).abs().max() <= 0.5 / 127 + 1e-6
    assert volumes.gap.shape == (1, 16, 16, 16)
