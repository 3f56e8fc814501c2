"""The sheet of the worst objects: which are on it, and what its pictures show."""

import argparse
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from drawn_scenes import drawn_boxes
from PIL import Image

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.scene import Mesh
from iscene_ros.lab.evaluation import gallery_command, gallery_panels, gallery_picture
from iscene_ros.lab.evaluation.causes import Cause, Measures
from iscene_ros.lab.evaluation.gallery_panels import (
    FULL_ERROR_M,
    MISSED,
    OUTLINE,
    TITLES,
    TOO_LITTLE,
    TOO_MUCH,
    draw_panels,
    error_colors,
    shaded_depth,
    true_mesh,
)
from iscene_ros.lab.evaluation.gallery_picture import draw_gallery, tile_text
from iscene_ros.lab.evaluation.inspection import Case, Explained, worst_objects
from iscene_ros.lab.evaluation.metrics import Score
from iscene_ros.lab.evaluation.rendered_scenes import MODEL, ScoredObject
from iscene_ros.lab.evaluation.results import Results
from iscene_ros.lab.evaluation.shape_measures import ShapeMeasures
from iscene_ros.lab.evaluation.view_measures import (
    ContactMeasures,
    CropMeasures,
    MaskMeasures,
)

MEASURES = Measures(
    ShapeMeasures(4.0, 0.4, 0.0, 0.1),
    MaskMeasures(1.0, 0.0, 0.0),
    CropMeasures(0.0, 1.3),
    ContactMeasures(),
)
SIZE = 64


@pytest.fixture(autouse=True)
def coarse_truths(monkeypatch):
    monkeypatch.setattr(gallery_panels, "TRUTH_RESOLUTION", 32)


def scored(instance, iou, method=MODEL):
    score = Score() if iou is None else Score(iou, iou, 0.01, iou, iou)
    return ScoredObject(3, instance, "milk_carton", "sparse", method, score, 0.5, 0.4, 0.001)


def case(predicted_view=None, iou=0.3, causes=None):
    drawn = drawn_boxes(((0.1, 0.1, 0.2), (0.6, 0.0, 0.0)))
    observation = drawn.view().observation
    space = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    explained = Explained(scored(1, iou), MEASURES, causes or {})
    own = drawn.rendering.ids == 1
    return Case(explained, observation, 0, own, space, drawn.placements()[0], predicted_view)


def grown_truth(found, by):
    mesh = true_mesh(found)
    body = trimesh.Trimesh(mesh.vertices, mesh.faces)
    center = body.bounds.mean(axis=0)
    moved = center + (mesh.vertices - center) * (1 + by / 0.05)
    return Mesh(moved.astype(np.float32), mesh.faces)


def count(picture, color):
    return int((np.abs(np.asarray(picture, int) - np.array(color)).max(axis=-1) < 40).sum())


def test_the_worst_are_the_models_own_with_the_smallest_overlap_missing_ones_first():
    objects = (scored(1, 0.5), scored(2, 0.2), scored(3, None), scored(4, 0.1, "convex hull"))
    assert worst_objects(Results(objects, ()), 2) == [(3, 3), (3, 2)]


def test_there_is_a_panel_a_title_and_the_mask_is_outlined_in_the_input():
    found = case()
    panels = draw_panels(replace(found, predicted_view=true_mesh(found)), SIZE)
    assert [panel.size for panel in panels] == [(SIZE, SIZE)] * len(TITLES)
    assert count(panels[0], OUTLINE) > 40
    assert all(np.asarray(panel).std() > 5 for panel in panels)


def test_a_right_prediction_has_no_error_colours_and_misses_nothing():
    found = case()
    errors = draw_panels(replace(found, predicted_view=true_mesh(found)), SIZE)[4]
    assert count(errors, MISSED) == 0
    assert np.ptp(np.asarray(errors, int), axis=-1).max() < 40


def test_too_much_is_red_and_too_little_is_blue_with_the_missed_truth_around_it():
    found = case()
    large, small = (grown_truth(found, by) for by in (0.012, -0.012))
    red, blue = (
        np.asarray(draw_panels(replace(found, predicted_view=mesh), SIZE)[4], int)
        for mesh in (large, small)
    )
    assert (red[..., 0] > red[..., 2] + 60).sum() > 300
    assert count(blue, MISSED) > 100


def test_without_a_prediction_all_of_the_truth_is_missed():
    panels = draw_panels(case(predicted_view=None, iou=None), SIZE)
    assert np.asarray(panels[2]).std() == 0
    assert count(panels[4], MISSED) > 300


def test_error_colours_reach_their_ends_and_are_grey_between():
    colors = error_colors(np.array([-2 * FULL_ERROR_M, 0.0, 2 * FULL_ERROR_M]))
    assert tuple(colors[0]) == TOO_LITTLE
    assert np.ptp(colors[1].astype(int)) == 0
    assert tuple(colors[2]) == TOO_MUCH


def test_depth_without_readings_is_drawn_without_warnings():
    assert shaded_depth(np.zeros((8, 8), np.float32)).std(axis=(0, 1)).max() == 0


def test_the_text_says_how_good_and_why():
    text = "\n".join(tile_text(case(iou=0.3, causes={Cause.THIN: 0.5})))
    for part in ("milk carton", "sparse", "IoU 30 %", "10.0 mm", "observed 40 %", "0.50", "thin"):
        assert part in text
    assert "no prediction" in tile_text(case(iou=None))


def test_tiles_are_grouped_by_their_main_cause(monkeypatch):
    blank = [Image.new("RGB", (SIZE, SIZE))] * len(TITLES)
    monkeypatch.setattr(gallery_picture, "draw_panels", lambda case, size: blank)
    thin, other = case(causes={Cause.THIN: 0.5}), case()
    together = draw_gallery([thin, thin], "two").height
    assert draw_gallery([thin, other], "two").height > together


def test_the_option_writes_a_picture_and_the_tables(tmp_path):
    from iscene_ros.completion.scene_completer import SceneCompleter
    from iscene_ros.lab.evaluation.rendered_scenes import EvaluationOptions, evaluate_scenes
    from iscene_ros.models.model_config import CompletionOptions

    completer = SceneCompleter.from_pretrained(
        "iscene-mini", "cpu", CompletionOptions(relations=False)
    )
    options = EvaluationOptions(scenes=1, seed=1003, baselines=False)
    results = Results.collect(evaluate_scenes(completer, options))
    gallery_command.run(completer, options, results, tmp_path)
    assert len((tmp_path / "causes.csv").read_text().splitlines()) == 1 + len(results.objects)
    assert "Machine" in (tmp_path / "causes.md").read_text()
    assert Image.open(tmp_path / "gallery.png").width > 1000


def test_the_command_knows_the_option():
    from iscene_ros.lab.evaluation import command

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert parser.parse_args(["--gallery"]).gallery
    with pytest.raises(SystemExit):
        parser.parse_args(["--gallerie"])
