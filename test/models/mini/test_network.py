"""The network of iscene-mini and its files."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_model import TINY, random_volumes, tiny_network
from torch.testing import assert_close

from iscene_ros.core.errors import ModelError
from iscene_ros.models.inspection import inspect_model
from iscene_ros.models.mini.checkpoint import load_model, read_network, save_weights
from iscene_ros.models.mini.confidence import (
    Calibration,
    ConfidenceModel,
    Evidence,
    UncertaintyModel,
)
from iscene_ros.models.mini.config import MiniConfig
from iscene_ros.models.mini.grid_blocks import depth_to_space, space_to_depth
from iscene_ros.models.registry import MINI, find_model


def test_space_to_depth_undoes_depth_to_space():
    x = torch.randn(2, 24, 3, 3, 3)
    up = depth_to_space(x)
    assert up.shape == (2, 3, 6, 6, 6)
    assert_close(up[:, :, ::2, ::2, ::2], x[:, ::8])
    assert_close(space_to_depth(up), x)


def test_a_crop_comes_out_as_fine_as_it_went_in():
    predicted = tiny_network()(random_volumes(2))
    assert predicted.distance.shape == predicted.error.shape == (2, 16, 16, 16)
    assert predicted.coarse.shape == (2, 8, 8, 8)
    assert (predicted.error >= 0).all()


def test_crops_do_not_depend_on_those_beside_them():
    network, volumes = tiny_network(), random_volumes(3)
    together = network(volumes).distance
    assert_close(network(volumes.rows(slice(1, 2))).distance, together[1:2], atol=1e-5, rtol=1e-5)


def test_levels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="multiple of 16"):
        MiniConfig(resolution=40)
    with pytest.raises(ValueError, match="decoder_blocks"):
        MiniConfig(decoder_blocks=(1, 1))


def test_a_file_is_known_by_its_format(tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_weights(tiny_network(), path)
    assert find_model(path) is MINI
    save_file({"x": torch.zeros(1)}, path, {"format": "iscene-mini/1"})
    with pytest.raises(ModelError, match="'iscene-mini/1', expected iscene-mini/2"):
        find_model(path)


def test_a_checkpoint_round_trip_keeps_weights_and_calibration(tmp_path):
    network, path = tiny_network(), tmp_path / "tiny_model.safetensors"
    uncertainty = UncertaintyModel(0.1, 0.2, 0.3, 0.4, 0.5)
    calibration = Calibration(ConfidenceModel(0.1, Evidence(0.6, 0.3, size=0.2)), 0.05, uncertainty)
    save_weights(network, path, calibration)
    model = load_model(path)
    assert model.name == "tiny-model" and len(model.checksum) == 64
    assert model.calibration == calibration
    assert model.network.config == TINY
    for name, tensor in network.state_dict().items():
        assert_close(model.network.state_dict()[name], tensor.half().float())


def test_missing_truncated_and_foreign_checkpoints_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(path)
    save_weights(tiny_network(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="format"):
        load_model(path)


@pytest.mark.parametrize("config", [None, "{", '{"width": 3}', '{"channels": [8]}'])
def test_a_checkpoint_without_its_configuration_is_refused(tmp_path, config):
    metadata = {"format": "iscene-mini/2"} | ({} if config is None else {"config": config})
    save_file({"w": torch.zeros(1)}, tmp_path / "bare.safetensors", metadata)
    with pytest.raises(ModelError, match="no configuration of iscene-mini"):
        load_model(tmp_path / "bare.safetensors")
    with pytest.raises(ModelError, match="no configuration of iscene-mini"):
        inspect_model(tmp_path / "bare.safetensors")


def test_a_checkpoint_with_other_tensors_lists_the_differences(tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights(tiny_network(), path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors["grid_head.bias"] = torch.zeros(3)
    tensors["unknown"] = tensors.pop("down_grid.bias")
    save_file(tensors, path, metadata)
    with pytest.raises(ModelError, match="3 tensors differ: .*missing down_grid.bias"):
        load_model(path)


def test_a_calibration_of_other_evidence_is_refused_and_its_weights_are_read(tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights(tiny_network(), path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    former = metadata["calibration"].replace("bounds_overlap", "mirror_overlap")
    for calibration in ({"calibration": former}, {}):
        save_file(load_file(path), path, {**metadata, "calibration": "{}", **calibration})
        with pytest.raises(ModelError, match="its calibration is missing or of another version"):
            load_model(path)
        assert read_network(path).config == TINY
