"""IoU, Chamfer distance and F-score against what geometry says."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from iscene_ros.core.scene import Mesh
from iscene_ros.lab.evaluation.bodies import Grid, ScoredBody, true_body
from iscene_ros.lab.evaluation.metrics import (
    Score,
    body_iou,
    box_iou,
    f_score,
    score_object,
    score_scene,
    size_error,
    summary,
)

few_examples = settings(max_examples=8, deadline=None)
shifts = st.tuples(*[st.floats(-0.05, 0.05)] * 3)


def mesh_of(body):
    return Mesh(body.vertices.astype(np.float32), body.faces.astype(np.int32))


def cuboid(extents, center=(0, 0, 0), rotation=None):
    body = trimesh.creation.box(extents)
    if rotation is not None:
        body.apply_transform(rotation)
    body.apply_translation(center)
    return ScoredBody(mesh_of(body))


def ball(radius, center=(0, 0, 0)):
    body = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    body.apply_translation(center)
    return ScoredBody(mesh_of(body))


def sphere_lens(radius, shift):
    """Shared over joint volume of two equal spheres."""
    shared = np.pi * (4 * radius + shift) * (2 * radius - shift) ** 2 / 12
    return shared / (2 * 4 / 3 * np.pi * radius**3 - shared)


@few_examples
@given(st.integers(0, 10**6))
def test_the_inside_of_a_turned_cuboid_is_exact(seed):
    rng = np.random.default_rng(seed)
    rotation = trimesh.transformations.random_rotation_matrix(rng.random(3))
    extents = rng.uniform(0.05, 0.3, 3)
    grid = Grid.around([-0.2] * 3, [0.2] * 3, 33)
    inside = cuboid(extents, rotation=rotation).inside(grid)
    slack = np.abs(grid.points() @ rotation[:3, :3]) - extents / 2
    clear = np.abs(slack).min(axis=-1) > 1e-6
    np.testing.assert_array_equal(inside[clear], (slack.max(axis=-1) < 0)[clear])


@few_examples
@given(st.integers(0, 10**6))
def test_the_inside_of_a_torus_is_what_its_winding_number_says(seed):
    torus = trimesh.creation.torus(0.1, 0.04, major_sections=12, minor_sections=8)
    rng = np.random.default_rng(seed)
    torus.apply_transform(trimesh.transformations.random_rotation_matrix(rng.random(3)))
    grid = Grid.around(torus.bounds[0] - 0.01, torus.bounds[1] + 0.01, 12)
    points = grid.points().reshape(-1, 3)
    a, b, c = np.moveaxis(torus.triangles[None] - points[:, None, None], 2, 0)
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    volume = np.einsum("ijk,ijk->ij", a, np.cross(b, c))
    dot = lambda u, v: np.einsum("ijk,ijk->ij", u, v)  # noqa: E731
    angle = 2 * np.arctan2(volume, la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(c, a) * lb)
    expected = angle.sum(axis=1) / (4 * np.pi) > 0.5
    inside = ScoredBody(mesh_of(torus)).inside(grid)
    np.testing.assert_array_equal(inside.ravel(), expected)


def test_volumes_of_occupancy_are_right():
    grid = Grid.around([-0.12] * 3, [0.12] * 3, 64)
    count = ball(0.1).inside(grid).sum()
    assert count * grid.spacing**3 == pytest.approx(4 / 3 * np.pi * 0.1**3, rel=0.01)
    exact = ScoredBody(ball(0.1).mesh, lambda p: np.linalg.norm(p, axis=1) - 0.1)
    assert count == pytest.approx(exact.inside(grid).sum(), rel=0.005)


def test_a_grid_has_its_points_in_the_middle_of_the_box():
    grid = Grid.around([0, 0, 0], [0.4, 0.2, 0.1], 4)
    assert grid.shape == (4, 2, 1)
    np.testing.assert_allclose(grid.points().mean(axis=(0, 1, 2)), [0.2, 0.1, 0.05])
    part, where = grid.part([0.1, 0, 0], [0.3, 0.2, 0.1])
    np.testing.assert_allclose(part.points(), grid.points()[where])


@few_examples
@given(shifts)
def test_a_body_agrees_with_itself_wherever_it_is(shift):
    score = score_object(ball(0.05, shift), ball(0.05, shift))
    assert score.iou == 1.0 and score.box_iou == pytest.approx(1.0)
    assert score.f_5mm == 1.0 and score.f_10mm == 1.0
    assert score.chamfer < 1e-5


@few_examples
@given(shifts)
def test_scores_are_symmetric(shift):
    first, second = ball(0.05), cuboid([0.1, 0.08, 0.06], shift)
    forth, back = score_object(first, second), score_object(second, first)
    assert forth.iou == back.iou
    assert forth.box_iou == pytest.approx(back.box_iou)
    assert forth.chamfer == pytest.approx(back.chamfer)
    assert forth.f_5mm == pytest.approx(back.f_5mm)


@few_examples
@given(st.floats(0.0, 0.15), st.integers(0, 10**6))
def test_the_iou_of_shifted_spheres_is_that_of_a_lens(shift, seed):
    direction = np.random.default_rng(seed).normal(size=3)
    direction *= shift / np.linalg.norm(direction)
    iou = body_iou([ball(0.1)], [ball(0.1, direction)], 64)
    assert iou == pytest.approx(sphere_lens(0.1, shift), abs=0.01)


@few_examples
@given(st.floats(0.001, 0.02))
def test_concentric_spheres_are_as_far_apart_as_their_radii(gap):
    score = score_object(ball(0.05 + gap), ball(0.05))
    assert score.chamfer == pytest.approx(gap, abs=2e-4)
    assert score.iou == pytest.approx((0.05 / (0.05 + gap)) ** 3, abs=0.02)
    if abs(gap - 0.005) > 3e-4:
        assert score.f_5mm == (1.0 if gap < 0.005 else 0.0)
    if abs(gap - 0.01) > 3e-4:
        assert score.f_10mm == (1.0 if gap < 0.01 else 0.0)


def test_the_chamfer_distance_of_shifted_plates_is_the_gap():
    plate, moved = cuboid([0.4, 0.4, 1e-4]), cuboid([0.4, 0.4, 1e-4], [0, 0, 0.02])
    assert score_object(moved, plate).chamfer == pytest.approx(0.02, rel=0.01)


def test_large_bodies_are_not_punished_for_sparse_samples():
    score = score_object(cuboid([1.0, 0.8, 0.6]), cuboid([1.0, 0.8, 0.6]))
    assert score.f_5mm == 1.0 and score.chamfer < 1e-5


def test_half_of_a_plate_has_full_precision_and_half_recall():
    whole, half = cuboid([0.4, 0.2, 1e-4]), cuboid([0.2, 0.2, 1e-4], [0.1, 0, 0])
    recall = (0.2 + 0.005) / 0.4
    expected = 2 * recall / (1 + recall)
    assert score_object(half, whole).f_5mm == pytest.approx(expected, abs=0.01)


def test_the_f_score_is_a_harmonic_mean():
    near, far = np.zeros(10), np.repeat([0.0, 1.0], 5)
    assert f_score(near, far, 0.005) == pytest.approx(2 / 3)
    assert f_score(far + 1, far + 1, 0.005) == 0.0


@few_examples
@given(shifts)
def test_the_iou_of_boxes(shift):
    extents = np.array([0.1, 0.08, 0.06])
    shared = np.prod(np.maximum(extents - np.abs(shift), 0))
    expected = shared / (2 * np.prod(extents) - shared)
    assert box_iou(cuboid(extents), cuboid(extents, shift)) == pytest.approx(expected, abs=1e-5)


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_the_size_error_is_that_of_the_true_edges_however_a_cuboid_is_turned(seed):
    rotation = trimesh.transformations.random_rotation_matrix(np.random.default_rng(seed).random(3))
    truth = cuboid([0.2, 0.1, 0.05], rotation=rotation)
    thicker = cuboid([0.2, 0.1, 0.062], rotation=rotation)
    assert size_error(thicker, truth) == pytest.approx(0.004, abs=2e-4)
    assert size_error(truth, truth) == 0.0


def test_a_missing_object_scores_zero_and_has_no_distance():
    truths = [ball(0.05), ball(0.05, [0.3, 0, 0])]
    score = score_scene([truths[0], None], truths)
    assert score.objects[1].is_missing and score.objects[1].iou == 0.0
    assert score.whole.iou == pytest.approx(0.5, abs=0.01)
    assert score.whole.f_5mm == pytest.approx(2 / 3, abs=0.01)
    assert score_scene([None, None], truths).whole.is_missing


def test_a_scene_is_scored_as_the_union_of_its_objects():
    truths = [ball(0.05), cuboid([0.1, 0.08, 0.06], [0.4, 0, 0])]
    swapped = score_scene(truths[::-1], truths)
    assert swapped.whole.iou == 1.0 and swapped.whole.chamfer < 1e-4
    assert swapped.objects[0].iou == 0.0


def test_a_summary_averages_and_counts_the_missing():
    result = summary([Score(0.8, 0.9, 0.002, 0.7, 0.9), Score(0.6, 0.7, 0.004, 0.5, 0.7), Score()])
    assert (result.count, result.missing) == (3, 1)
    assert result.mean.iou == pytest.approx(1.4 / 3)
    assert result.mean.chamfer == pytest.approx(0.003)
    assert np.isnan(summary([]).mean.iou)


def test_a_true_body_has_the_surface_and_volume_of_its_distance():
    center = np.array([0.5, 1.0, -0.2])
    truth = true_body(
        lambda p: np.linalg.norm(p - center, axis=1) - 0.05, center - 0.05, center + 0.05
    )
    score = score_object(ball(0.05, center), truth)
    assert score.iou > 0.985 and score.chamfer < 1.5e-4 and score.f_5mm == 1.0
    assert true_body(lambda p: np.ones(len(p)), center - 0.05, center + 0.05) is None
