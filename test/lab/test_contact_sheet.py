"""The contact sheet of the worst objects: what its images show."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from drawn_scenes import drawn_boxes
from PIL import Image

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.scene import Mesh
from iscene_ros.lab.evaluation import contact_sheet
from iscene_ros.lab.evaluation.contact_sheet import (
    MISSED,
    OUTLINE,
    TITLES,
    SheetObject,
    draw_panels,
    draw_sheet,
    tile_text,
)
from iscene_ros.lab.evaluation.metrics import Score
from iscene_ros.lab.evaluation.scenes import MODEL, ScoredObject

SIZE = 64


@pytest.fixture(autouse=True)
def coarse_truths(monkeypatch):
    monkeypatch.setattr(contact_sheet, "TRUTH_RESOLUTION", 32)


def item(grown_by=None, iou=0.3):
    """A box that is predicted larger by a length [m], or not at all."""
    drawn = drawn_boxes(((0.1, 0.1, 0.2), (0.6, 0.0, 0.0)))
    observation = drawn.view().observation
    aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    score = Score() if iou is None else Score(iou, iou, 0.01, iou, iou)
    scored = ScoredObject(3, 1, "milk_carton", "sparse", MODEL, score, 0.5, 0.4, 0.001)
    pose = aligned_frame.camera_from_aligned()
    found = SheetObject(scored, observation, 0, drawn.ground_truth()[0], pose, None)
    return found if grown_by is None else replace(found, predicted_aligned=grown(found, grown_by))


def grown(found, by):
    mesh = found.true_mesh_aligned()
    center = trimesh.Trimesh(mesh.vertices, mesh.faces).bounds.mean(axis=0)
    moved = center + (mesh.vertices - center) * (1 + by / 0.05)
    return Mesh(moved.astype(np.float32), mesh.faces)


def count(image, color):
    return int((np.abs(np.asarray(image, int) - np.array(color)).max(axis=-1) < 40).sum())


def test_there_is_a_panel_a_title_and_the_mask_is_outlined_in_the_input():
    panels = draw_panels(item(0.0), SIZE)
    assert [panel.size for panel in panels] == [(SIZE, SIZE)] * len(TITLES)
    assert count(panels[0], OUTLINE) > 40
    assert all(np.asarray(panel).std() > 5 for panel in panels)


def test_a_right_prediction_has_no_error_colours_and_misses_nothing():
    errors = draw_panels(item(0.0), SIZE)[3]
    assert count(errors, MISSED) == 0
    assert np.ptp(np.asarray(errors, int), axis=-1).max() < 40


def test_too_large_is_red_and_too_small_is_blue_with_the_missed_truth_around_it():
    red, blue = (np.asarray(draw_panels(item(by), SIZE)[3], int) for by in (0.012, -0.012))
    assert (red[..., 0] > red[..., 2] + 60).sum() > 300
    assert count(blue, MISSED) > 100


def test_without_a_prediction_all_of_the_truth_is_missed():
    panels = draw_panels(item(iou=None), SIZE)
    assert np.asarray(panels[1]).std() == 0
    assert count(panels[3], MISSED) > 300


def test_the_text_says_what_and_how_good():
    text = "\n".join(tile_text(item().scored))
    for part in ("milk carton", "sparse", "IoU 30 %", "10.0 mm", "observed 40 %", "0.50"):
        assert part in text
    assert "no prediction" in tile_text(item(iou=None).scored)


def test_the_worst_object_comes_first(monkeypatch):
    drawn = []
    blank = [Image.new("RGB", (SIZE, SIZE))] * len(TITLES)
    monkeypatch.setattr(
        contact_sheet, "draw_panels", lambda o, size: drawn.append(o.scored.score.iou) or blank
    )
    page = draw_sheet([item(iou=0.5), item(iou=None), item(iou=0.2)], "three")
    assert drawn == [0.0, 0.2, 0.5]
    assert page.height > draw_sheet([item()], "one").height
