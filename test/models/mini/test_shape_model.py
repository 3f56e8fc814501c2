"""The shape model of iscene-mini: crops in chunks, lower precision, damaged weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_model import tiny_network

from iscene_ros.core.errors import ModelError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.models.base import Progress
from iscene_ros.models.mini.checkpoint import save_weights
from iscene_ros.models.mini.shape_model import MiniShapes, load_shape_model
from iscene_ros.models.model_config import CompletionOptions, ModelConfig
from iscene_ros.preprocess.depth_cleaning import clean_observation
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("mini") / "tiny.safetensors"
    save_weights(tiny_network(), path)
    return path


@pytest.fixture(scope="module")
def view():
    """A real frame and the crops of its eight objects."""
    observation = resolve_mask_overlaps(arc2017_observation().rectified())
    aligned_frame = GravityAlignedFrame.from_gravity(np.array([0.0, 0.6, 0.8]))
    cleaned = clean_observation(observation, aligned_frame)
    return cleaned.observation, cleaned.crops


def shapes_of(weights, **options) -> MiniShapes:
    return load_shape_model(ModelConfig(str(weights), options=CompletionOptions(**options)), "cpu")


def test_objects_in_chunks_are_those_computed_at_once(weights, view):
    counted = []
    progress = Progress(lambda done, total, what: counted.append(done))
    together = shapes_of(weights).predict_distances(*view, progress)
    chunks = shapes_of(weights, objects_at_once=3).predict_distances(*view, progress)
    assert together.distance.shape == together.error.shape == (8, 16, 16, 16)
    assert counted == [8, 11, 14, 16]
    np.testing.assert_allclose(chunks.distance, together.distance, atol=1e-4)
    np.testing.assert_allclose(chunks.error, together.error, atol=1e-4)


def test_bfloat16_comes_close_to_float32_and_answers_in_float32(weights, view):
    exact = shapes_of(weights).predict_distances(*view).distance
    rough = shapes_of(weights, precision="bfloat16").predict_distances(*view).distance
    assert rough.dtype == np.float32 and not np.array_equal(rough, exact)
    assert np.abs(rough - exact).mean() < 0.02 * np.abs(exact).mean()


def test_nothing_to_predict_gives_nothing(weights, view):
    observation, crops = view
    predicted = shapes_of(weights).predict_distances(observation, replace(crops, instances=()))
    assert predicted.distance.shape == (0, 16, 16, 16)


def test_damaged_weights_are_told_and_not_meshed(weights, view):
    shapes = shapes_of(weights)
    with torch.no_grad():
        shapes.model.network.grid_head.bias[0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        shapes.predict_distances(*view)
