"""Samples of wider training data: as the completion sees them, from a recipe, drawn as a sheet."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from iscene_ros.cli.main import main
from iscene_ros.core.errors import InputError
from iscene_ros.lab.synthetic.random_scenes import SceneOptions
from iscene_ros.lab.synthetic.shape_families import ShapeOptions
from iscene_ros.lab.training import data_sheet
from iscene_ros.lab.training import samples as samples_module
from iscene_ros.lab.training.samples import (
    GroundTruthObject,
    SampleOptions,
    _union_distance,
    draw_scene,
    draw_view,
    sample_crops,
)
from iscene_ros.lab.training.train_config import read_train_config
from iscene_ros.preprocess.observation_volume import crop_batch

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "config" / "train_mini.yaml"
FEW = SampleOptions(scene=SceneOptions(max_objects=3, single_share=0, unsegmented_share=0))


def test_the_recipe_mixes_wide_rough_and_assembled_scenes():
    recipe = read_train_config(RECIPE)
    wide, rough, assembled = (data.samples for data in recipe.phases[1].sets)
    for samples in (wide, rough, assembled):
        assert samples.shapes.further_share > 0 and samples.scene.settled_share > 0
        assert samples.sensor.focal is None and samples.as_at_inference
    assert wide.sensor.stereo.island_share == 0 < rough.sensor.stereo.island_share
    assert assembled.shapes.assembled_share > 0.5
    seeds = [d.seed for p in recipe.phases for d in p.sets] + [recipe.held_out.seed]
    assert len(set(seeds)) == len(seeds)


def test_views_of_the_wide_recipe_can_be_drawn_and_repeat():
    samples = read_train_config(RECIPE).phases[1].data.samples
    samples = replace(samples, scene=replace(samples.scene, max_objects=3))
    one, other = (draw_view(np.random.default_rng(1), samples) for _ in range(2))
    np.testing.assert_array_equal(one.observation.depth, other.observation.depth)
    crops = sample_crops(one, samples, 16, 4.0)
    assert crops.target.shape[1:] == (16, 16, 16) and crops.target.device.type == "cpu"


def test_held_out_shapes_stay_as_they_are():
    options = replace(FEW, held_out=True, shapes=ShapeOptions(detail_share=0.5))
    with pytest.raises(InputError, match="held_out"):
        draw_scene(np.random.default_rng(0), options)


def test_overlapping_masks_are_resolved_as_at_inference(monkeypatch):
    view = draw_view(np.random.default_rng(6), FEW)
    masks = view.observation.masks.copy()
    assert len(masks) >= 2
    # The second mask covers the first altogether, as an amodal mask of what is behind would.
    masks[1] |= masks[0]
    view = replace(view, observation=replace(view.observation, masks=masks))
    most = []

    def recorded(observation, *rest):
        most.append(observation.masks.sum(axis=0).max())
        return crop_batch(observation, *rest)

    monkeypatch.setattr(samples_module, "crop_batch", recorded)
    for as_at_inference in (False, True):
        sample_crops(view, replace(FEW, as_at_inference=as_at_inference), 16, 4.0)
    assert most[0] >= 2 and most[1] == 1


def test_the_scene_s_distance_is_right_up_to_the_truncation():
    drawn = draw_scene(np.random.default_rng(2), FEW)
    truths: list[GroundTruthObject] = drawn.ground_truth()
    assert len(truths) >= 2
    middle = torch.tensor(truths[0].camera_from_object[:3, 3]).float()
    points = middle + 0.3 * torch.randn(3000, 3, generator=torch.Generator().manual_seed(0))
    exact = torch.stack([t.distance(points) for t in truths]).amin(0)
    found = _union_distance(truths, points, 0.05)
    torch.testing.assert_close(found.clamp_max(0.05), exact.clamp_max(0.05), atol=2e-3, rtol=0)


def test_the_data_of_a_recipe_is_drawn_as_a_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr(data_sheet, "ROWS", 2)
    monkeypatch.setattr(data_sheet, "COLUMNS", 1)
    out = tmp_path / "data.png"
    assert main(["train", "--config", str(RECIPE), "--show-data", str(out)]) == 0
    image = np.asarray(Image.open(out))
    width, height = data_sheet.TILE
    assert image.shape == (2 * height, 2 * width, 3)
    assert not list(tmp_path.glob("runs")) and image.std() > 10
