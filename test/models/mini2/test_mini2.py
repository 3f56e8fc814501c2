"""iscene-mini 2: its network, its files, its shapes."""

import numpy as np
import pytest
import torch

from iscene_ros.core.errors import ModelError
from iscene_ros.core.frames import Cube
from iscene_ros.geometry.marching_cubes import SMOOTHINGS
from iscene_ros.lab.training.multiview.initial_weights import new_network
from iscene_ros.models.iscene.scene_flow_config import MiniConfig
from iscene_ros.models.mini.confidence import Calibration
from iscene_ros.models.mini.network import VolumeSceneFlow
from iscene_ros.models.mini2.checkpoint import load_model, save_weights
from iscene_ros.models.mini2.config import Mini2Config
from iscene_ros.models.mini2.network import MultiScaleNetwork
from iscene_ros.models.mini2.predicted_shape import FineDistanceShape, harmless_smoothings
from iscene_ros.models.registry import MINI2, find_model
from iscene_ros.preprocess.crops import InstanceCrop
from iscene_ros.preprocess.view_readings import FineVolumes


def random_volumes(count: int, side: int) -> FineVolumes:
    generator = torch.Generator().manual_seed(0)

    def integers(low: int, high: int, size: int, kind: torch.dtype) -> torch.Tensor:
        return torch.randint(low, high, (count, size, size, size), generator=generator).to(kind)

    return FineVolumes(
        integers(-127, 128, side, torch.int8),
        integers(-127, 128, side // 2, torch.int8),
        integers(0, 7, side, torch.uint8),
        torch.zeros(count),
    )


def tiny() -> MultiScaleNetwork:
    config = Mini2Config(16, 4.0, (8, 16, 16, 16), (1, 1, 1, 1), (1, 1, 1))
    return new_network(config).to(memory_format=torch.channels_last_3d).eval()


def test_a_crop_comes_out_as_fine_as_it_went_in():
    predicted = tiny()(random_volumes(2, 16))
    assert predicted.distance.shape == predicted.error.shape == (2, 16, 16, 16)
    assert predicted.coarse.shape == (2, 8, 8, 8)
    assert (predicted.error >= 0).all()


def test_levels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="multiple of 16"):
        Mini2Config(resolution=40)
    with pytest.raises(ValueError, match="decoder_blocks"):
        Mini2Config(decoder_blocks=(1, 1))


def test_a_new_network_begins_as_the_iscene_mini_that_it_is_given():
    old = VolumeSceneFlow(MiniConfig(grid_channels=48, encoder_layers=1, decoder_layers=1)).eval()
    config = Mini2Config(64, 8.0, (8, 48, 8, 8), (1, 1, 1, 1), (1, 1, 1))
    new = new_network(config, old).eval()
    assert torch.equal(new.grid_head.weight, old.head.weight)
    assert torch.equal(new.grid_decoder[0].conv1.weight, old.decoder[0].conv1.weight)
    assert not new.fine_head.weight.any()


def test_a_file_is_known_by_its_format_and_loaded_strictly(tmp_path):
    network = tiny()
    path = tmp_path / "mini_2.safetensors"
    save_weights(network, path, dtype=torch.float32)
    assert find_model(path) is MINI2
    loaded = load_model(path)
    volumes = random_volumes(1, 16)
    assert torch.equal(loaded.network(volumes).distance, network(volumes).distance)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError):
        load_model(path)


def centers(resolution: int) -> torch.Tensor:
    axis = torch.from_numpy((np.arange(resolution) + 0.5) / resolution - 0.5).float()
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)


def fine_shape(distance: np.ndarray, points_aligned: np.ndarray) -> FineDistanceShape:
    crop = InstanceCrop(0, Cube(np.zeros(3), 0.2), points_aligned, -0.1)
    return FineDistanceShape(
        crop, distance, np.full_like(distance, 0.01), 1.0, 8.0, Calibration(), 5000
    )


def ball(radius: float) -> np.ndarray:
    points = centers(64).numpy().reshape(64, 64, 64, 3) * 0.2
    away = np.linalg.norm(points, axis=-1) - radius
    return np.clip(away * 64 / 0.2 / 8, -1, 1).astype(np.float32)


def sphere_points(radius: float, center: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    directions = np.random.default_rng(0).normal(size=(3000, 3))
    return radius * directions / np.linalg.norm(directions, axis=1, keepdims=True) + center


def test_a_shape_that_covers_its_readings_gets_no_shell():
    shape = fine_shape(ball(0.05), sphere_points(0.05))
    assert shape.inside.sum() == pytest.approx((ball(0.05) < 0).sum(), rel=0.05)
    mesh = shape.mesh().mesh_aligned
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.05).max() < 0.002


def test_what_misses_its_readings_is_published_with_a_shell_around_them_and_little_confidence():
    points = sphere_points(0.05)
    crumb = fine_shape(ball(0.008), points)
    mesh = crumb.mesh().mesh_aligned
    reach = np.linalg.norm(mesh.vertices, axis=1)
    assert reach.max() == pytest.approx(0.05, abs=0.006)
    assert crumb.confidence(0.5) <= 0.2


def test_smoothings_that_would_destroy_thin_walls_are_left_out():
    wall = np.abs(np.arange(64) - 31.6)[:, None, None] - 0.6
    thin = np.broadcast_to(np.clip(wall / 8, -1, 1), (64, 64, 64)).astype(np.float32)
    assert 1.0 not in harmless_smoothings(thin)
    assert harmless_smoothings(ball(0.05)) == SMOOTHINGS
