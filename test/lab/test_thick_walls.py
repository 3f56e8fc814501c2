"""The least thickness of walls in training targets."""

import numpy as np
import pytest
import torch

from iscene_ros.lab.training.thick_walls import crop_distance


def plate(thickness: float):
    """The distance of an endless plate in the plane x = 0 [m]."""
    return lambda points: points[:, 0].abs() - 0.5 * thickness


def centers(resolution: int) -> torch.Tensor:
    axis = torch.from_numpy((np.arange(resolution) + 0.5) / resolution - 0.5).float()
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)


def test_thin_walls_are_grown_to_what_a_grid_can_hold():
    voxel = 1 / 32
    thin = crop_distance(plate(0.3 * voxel), centers, voxel, 32, wall_voxels=1.3)
    assert thin.min() == pytest.approx(0.5 - 0.65, abs=0.05)
    assert (thin[15:17] < 0).all()
    assert thin[10].mean() == pytest.approx(5.5 - 0.15, abs=0.05)


def test_thick_walls_stay_as_they_are():
    voxel = 1 / 32
    grown = crop_distance(plate(4 * voxel), centers, voxel, 32, wall_voxels=1.3)
    plain = crop_distance(plate(4 * voxel), centers, voxel, 32, wall_voxels=0.0)
    assert torch.allclose(grown, plain, atol=1e-3)


def test_cavities_stay_open():
    voxel = 1 / 32

    def two_plates(points):
        gap = 3 * voxel
        return ((points[:, 0].abs() - 0.5 * gap).abs() - 0.15 * voxel).abs() - 0.1 * voxel

    grown = crop_distance(two_plates, centers, voxel, 32, wall_voxels=1.3)
    assert (grown[15:17] > 0).all()
