"""The evaluation of several views: scenes whose views are linked, depth fusion, the report."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn_scenes import WORLD_FROM_CAMERA, drawn_boxes
from fake_completer import FakeCompleter

from iscene_ros.core.observation import Observation
from iscene_ros.lab.evaluation.metrics import score_surface
from iscene_ros.lab.evaluation.scenes import MODEL, EvaluationOptions
from iscene_ros.lab.evaluation.view_scenes import ViewOptions, draw_views
from iscene_ros.lab.evaluation.view_scores import (
    FUSION,
    fused_surface,
    view_csv,
    view_report,
    view_scores,
)
from iscene_ros.lab.synthetic.rendering import render
from iscene_ros.lab.synthetic.scene_views import draw_view
from iscene_ros.models.base import DEFAULT_REQUEST

# A scene in which several objects have depth.
SEED = 1000
OPTIONS = ViewOptions(EvaluationOptions(scenes=1, seed=SEED), (1, 3))


@pytest.fixture(scope="module")
def views():
    return draw_views(0, OPTIONS)


def points_camera(view: Observation, instance_id: int) -> np.ndarray:
    mask = view.masks[view.instance_ids.index(instance_id)] & (view.depth > 0)
    rows, columns = np.nonzero(mask)
    pixels = np.column_stack([columns, rows]).astype(float)
    return view.camera.unproject(pixels, view.depth[rows, columns])


def test_the_reference_is_the_view_of_the_evaluation_of_one_view(views):
    alone = draw_view(np.random.default_rng([SEED, 0]), OPTIONS.base.samples())
    np.testing.assert_array_equal(views.reference.observation.depth, alone.observation.depth)
    assert views.reference.observation.instance_ids == alone.observation.instance_ids
    assert views.first(1) == (views.reference.observation,)
    assert views.first(3) == (*reversed(views.further), views.reference.observation)


def test_equal_ids_are_one_object_in_all_views(views):
    reference = views.reference.observation
    compared = 0
    for view in views.further:
        reference_from_view = np.linalg.inv(reference.world_from_camera) @ view.world_from_camera
        for instance_id in set(view.instance_ids) & set(reference.instance_ids):
            points = points_camera(view, instance_id)
            if len(points) > 100:
                points = points @ reference_from_view[:3, :3].T + reference_from_view[:3, 3]
                distance = [
                    float(truth.distance(torch.from_numpy(points).float()).abs().median())
                    for truth in views.reference.truths
                ]
                nearest = reference.instance_ids[int(np.argmin(distance))]
                assert nearest == instance_id and min(distance) < 0.02
                compared += 1
    assert compared >= 4


def test_images_depend_neither_on_the_number_of_views_nor_on_noise(views):
    (fewer,) = draw_views(0, replace(OPTIONS, counts=(2,))).further
    noisy = draw_views(0, replace(OPTIONS, pose_noise=True))
    np.testing.assert_array_equal(fewer.depth, views.further[0].depth)
    np.testing.assert_array_equal(noisy.further[1].masks, views.further[1].masks)
    exact, wrong = views.further[0].world_from_camera, noisy.further[0].world_from_camera
    assert 0.0005 < np.linalg.norm((np.linalg.inv(exact) @ wrong)[:3, 3]) < 0.03
    exact, kept = (v.reference.observation.world_from_camera for v in (views, noisy))
    np.testing.assert_array_equal(exact, kept)


def test_depth_of_two_sides_is_fused_to_a_surface_of_both():
    pytest.importorskip("open3d")
    drawn = drawn_boxes(((0.1, 0.1, 0.1), (1.0, 0.0, 0.0)))
    half_turn = np.diag([-1.0, -1, 1, 1])
    half_turn[0, 3] = 2.0  # about the box
    behind = replace(drawn.camera, world_from_camera=half_turn @ WORLD_FROM_CAMERA)
    views = []
    for camera in (behind, drawn.camera):
        rendering = render(drawn.scene, camera)
        views.append(
            Observation(
                depth=rendering.depth,
                masks=rendering.ids[None] == 1,
                camera=camera.intrinsics,
                world_from_camera=camera.world_from_camera,
                instance_ids=(5,),
            )
        )
    depth = fused_surface(views, 5).vertices[:, 2]
    assert abs(depth.min() - 0.95) < 0.002 and abs(depth.max() - 1.05) < 0.002
    assert fused_surface(views[1:], 5).vertices[:, 2].max() < 0.96
    assert fused_surface(views, 6) is None


def test_an_open_surface_has_no_volume():
    assert score_surface(None, None).is_missing and np.isnan(score_surface(None, None).iou)


class LooksCompleter(FakeCompleter):
    """Counts the views that it completes from."""

    def __init__(self):
        self.counts = []

    def complete(self, observations, request=DEFAULT_REQUEST):
        self.counts.append(len(observations))
        return super().complete(observations, request)


def test_every_number_of_views_is_scored_on_the_same_objects():
    pytest.importorskip("open3d")
    completer = LooksCompleter()
    (scores,) = view_scores(completer, OPTIONS)
    assert completer.counts == [1, 3]
    found = {}
    for s in scores:
        found.setdefault((s.scored.method, s.views), []).append(s.scored.instance)
    assert set(found) == {(m, k) for m in (MODEL, FUSION) for k in (1, 3)}
    assert len({tuple(instances) for instances in found.values()}) == 1
    fused = {s.views: [] for s in scores}
    for s in scores:
        if s.scored.method == FUSION:
            fused[s.views].append(s.scored.score.f_10mm)
    assert np.mean(fused[3]) > np.mean(fused[1])
    rows = [line.split("|")[1:3] for line in view_report(scores).splitlines() if "|" in line]
    assert [[cell.strip() for cell in row] for row in rows[2:]] == [
        [method, views] for method in (FUSION, MODEL) for views in ("1", "3")
    ]
    lines = list(csv.DictReader(io.StringIO(view_csv(scores))))
    assert len(lines) == len(scores) and {line["views"] for line in lines} == {"1", "3"}
