"""From a cube of unknown scale to metres, with depth."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from placed_shapes import bodies, in_cube, look_at, see, with_depth

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.scene import Mesh
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.lab.evaluation.registration_scenes import Perturbation, draw_case
from iscene_ros.lab.evaluation.registration_scores import registration_report, score_case
from iscene_ros.models.iscene.registration import object_motion
from iscene_ros.models.iscene.registration import register as register_module
from iscene_ros.models.iscene.registration.object_motion import SampledSurface, gaps
from iscene_ros.models.iscene.registration.register import register_scene
from iscene_ros.models.iscene.registration.result import CubeShape
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

FEW = settings(
    max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def register(seen):
    return register_scene(seen.shapes, seen.observation, seen.aligned_frame)


def middle(points):
    return 0.5 * (points.min(axis=0) + points.max(axis=0))


def off(found, seen):
    """How far the middle of a placed shape is from the truth [m]."""
    points = seen.shapes[found.row].mesh.vertices
    there, true = found.similarity.to_aligned(points), seen.truth.to_aligned(points)
    return np.linalg.norm(middle(there) - middle(true))


@pytest.fixture(scope="module")
def table():
    return see(bodies(), look_at())


def noisy(seen, seed=0, noise=0.002, lost=0.0):
    rng = np.random.default_rng(seed)
    depth = seen.observation.depth
    depth = depth + noise * rng.normal(size=depth.shape) * (depth > 0)
    return with_depth(seen, np.where(rng.random(depth.shape) < lost, 0, depth))


def test_true_shapes_are_found_within_a_percent_and_some_millimetres(table):
    registration = register(table)
    assert registration.method == "depth" and registration.is_metric and not registration.rejected
    assert registration.similarity.scale == pytest.approx(table.truth.scale, rel=0.005)
    assert max(off(found, table) for found in registration.objects) < 0.002
    assert registration.residual_m < 0.0005


def test_noise_and_half_of_the_readings_gone(table):
    registration = register(noisy(table, lost=0.5))
    assert not registration.rejected
    assert registration.similarity.scale == pytest.approx(table.truth.scale, rel=0.01)
    assert max(off(found, table) for found in registration.objects) < 0.004


def test_outlier_readings_at_outlines_do_not_pull(table):
    rng = np.random.default_rng(1)
    depth = table.observation.depth.copy()
    outliers = rng.random(depth.shape) < 0.1
    depth[outliers] *= rng.uniform(0.5, 1.5, outliers.sum())
    registration = register(with_depth(table, depth))
    assert registration.similarity.scale == pytest.approx(table.truth.scale, rel=0.01)


@FEW
@given(size=st.floats(0.3, 6.0))
def test_a_world_of_another_size_scales_the_answer(table, size):
    scaled = see(bodies(), look_at(), size=size)
    registration = register(scaled)
    assert registration.similarity.scale == pytest.approx(size * table.truth.scale, rel=0.01)
    assert not registration.rejected
    assert max(off(found, scaled) for found in registration.objects) < 0.004 * size


@FEW
@given(
    down=st.floats(5.0, 80.0),
    azimuth=st.floats(-180.0, 180.0),
    distance=st.floats(0.5, 1.2),
    filled=st.floats(0.4, 1.0),
)
def test_from_wherever_the_camera_looks(down, azimuth, distance, filled):
    pose = look_at(down, azimuth, distance)
    seen = see(bodies(), pose, cube=(filled, (0.0, 0.0, 0.0)))
    visible = seen.observation.masks.sum(axis=(1, 2)) > 100
    registration = register(replace(seen, shapes=tuple(s for s in seen.shapes if visible[s.row])))
    assert registration.similarity.scale == pytest.approx(seen.truth.scale, rel=0.015)
    assert np.median([off(found, seen) for found in registration.objects]) < 0.003


@FEW
@given(order=st.permutations(range(6)))
def test_the_order_of_the_shapes_does_not_matter(table, order):
    registration = register(replace(table, shapes=tuple(table.shapes[i] for i in order)))
    straight = register(table)
    assert registration.similarity.scale == pytest.approx(straight.similarity.scale, rel=1e-3)
    assert [found.row for found in registration.objects] == list(order)
    np.testing.assert_allclose(
        registration.similarity.translation, straight.similarity.translation, atol=1e-3
    )


@pytest.mark.parametrize("row", [0, 1, 2, 3])
def test_one_wrong_shape_is_rejected_and_the_others_are_registered(table, row):
    vertices = table.shapes[row].mesh.vertices
    wrong = table.with_mesh(row, 2.0 * (vertices - middle(vertices)) + middle(vertices) + 0.2)
    registration = register(wrong)
    assert [rejected for rejected, _ in registration.rejected] == [row]
    assert "does not fit" in registration.rejected[0][1]
    assert registration.similarity.scale == pytest.approx(table.truth.scale, rel=0.01)
    assert max(off(found, table) for found in registration.objects) < 0.003


def test_shapes_of_another_scene_are_rejected_with_a_reason(table):
    other = see(bodies()[::-1], look_at(azimuth_deg=160.0, down_deg=20.0))
    registration = register(replace(table, shapes=other.shapes))
    assert len(registration.rejected) >= 5 and len(registration.objects) <= 1
    assert all(reason for _, reason in registration.rejected)


def test_a_scene_of_which_too_little_fits_is_rejected_as_a_whole(table, monkeypatch):
    monkeypatch.setattr(register_module, "MIN_FITTING_SHARE", 0.9)
    wrong = table.with_mesh(2, 3.0 * table.shapes[2].mesh.vertices)
    registration = register(wrong)
    assert not registration.objects and np.isnan(registration.residual_m)
    reasons = dict(registration.rejected)
    assert set(reasons) == set(range(6))
    assert reasons[0] == "the scene was rejected: 5 of its 6 shapes fit the view"
    assert "does not fit" in reasons[2]


def test_depth_off_by_more_than_an_object_allows_rejects_it(table):
    depth = table.observation.depth.copy()
    depth[table.observation.masks[2]] += 0.05
    registration = register(with_depth(table, depth))
    assert [row for row, _ in registration.rejected] == [2]


def test_a_shift_corrects_a_shape_that_touches_nothing(table, monkeypatch):
    wrong = table.with_mesh(3, table.shapes[3].mesh.vertices + (0.015, 0.01, 0.0))
    after = register(wrong).objects[3]
    monkeypatch.setattr(register_module, "find_shifts", lambda light, *_: np.zeros((len(light), 3)))
    before = register(wrong).objects[3]

    def error(found):
        points = found.similarity.to_aligned(wrong.shapes[3].mesh.vertices)
        return np.linalg.norm(
            middle(points) - middle(table.truth.to_aligned(table.shapes[3].mesh.vertices))
        )

    assert error(before) > 0.004
    assert error(after) < 0.5 * error(before)
    assert after.residual_m < before.residual_m


@FEW
@given(seed=st.integers(0, 1000))
def test_what_touched_in_the_cube_still_touches(table, seed):
    rng = np.random.default_rng(seed)
    spoilt = table
    for row in range(6):
        shift = rng.uniform(-0.01, 0.01, 3)
        spoilt = spoilt.with_mesh(row, spoilt.shapes[row].mesh.vertices + shift)
    registration = register(spoilt)
    placed = {o.row: o.similarity for o in registration.objects}
    scene = registration.similarity
    rows = sorted(placed)
    whole = [_surface(spoilt, row, scene) for row in rows]
    moved = [_surface(spoilt, row, placed[row]) for row in rows]
    touch = object_motion.TOUCH_SHARE * scene.scale
    for gap in gaps(whole, touch):
        after = gaps([moved[gap.one], moved[gap.other]], 1.0)[0].length
        assert abs(after - gap.length) < object_motion.CONTACT_TOLERANCE_M + 1e-3
    lowest = min(surface.lowest for surface in whole)
    support = min(m.lowest for m, w in zip(moved, whole, strict=True) if w.lowest < lowest + touch)
    assert (
        min(surface.lowest for surface in moved)
        >= support - object_motion.CONTACT_TOLERANCE_M - 1e-6
    )


def _surface(seen, row, similarity):
    mesh = seen.shapes[row].mesh
    return SampledSurface.of(Mesh(similarity.to_aligned(mesh.vertices), mesh.faces))


def test_gap_of_two_bodies_is_signed():
    one, above, apart = (bodies()[i] for i in (0, 4, 2))
    surfaces = [SampledSurface.of(Mesh(m.vertices, m.faces)) for m in (one, above, apart)]
    (gap,) = gaps(surfaces, 0.05)
    assert (gap.one, gap.other) == (0, 1)
    assert abs(gap.length) < 1e-3 and gap.normal[2] < -0.99
    sunk = surfaces[1].shifted(np.array([0, 0, -0.004]))
    assert gaps([surfaces[0], sunk], 0.05)[0].length == pytest.approx(-0.004, abs=1e-3)
    lifted = surfaces[1].shifted(np.array([0, 0, 0.006]))
    assert gaps([surfaces[0], lifted], 0.05)[0].length == pytest.approx(0.006, abs=1e-3)


def test_one_object_alone_and_one_cut_by_the_border():
    alone = bodies()[:1]
    seen = see(alone, look_at(target=(-0.12, 0.03, 0.03)))
    assert register(seen).similarity.scale == pytest.approx(seen.truth.scale, rel=0.03)
    some = bodies()[:4]
    cut = see(some, look_at(distance=0.6, target=(0.2, 0.0, 0.03)))
    assert register(cut).similarity.scale == pytest.approx(cut.truth.scale, rel=0.02)


def test_nothing_to_compare_is_rejected_without_an_error(table):
    empty = replace(table.shapes[0], mesh=Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32)))
    registration = register(replace(table, shapes=(empty,)))
    assert registration.rejected == ((0, "its predicted shape has no surface"),)
    assert (
        not registration.is_metric
        and not registration.objects
        and np.isnan(registration.residual_m)
    )
    masks = table.observation.masks.copy()
    masks[1] = False
    hidden = replace(table, observation=replace(table.observation, masks=masks))
    assert [row for row, _ in register(hidden).rejected] == [1]


def test_the_generators_scenes_with_a_noisy_sensor():
    scores = []
    for number in (1, 5):
        for perturbation in (Perturbation.SENSOR, Perturbation.WRONG):
            case = draw_case(5, number, perturbation)
            scores.append(score_case(case, perturbation))
    assert max(abs(score.scale_error) for score in scores) < 0.015
    assert sum(score.wrong_rejected for score in scores) == 2
    assert sum(score.right_rejected for score in scores) == 0
    report = registration_report(scores)
    assert "one wrong shape" in report and "2 of 2" in report


def test_the_real_frame_is_registered_to_itself():
    observation = arc2017_observation()
    scene = SceneCompleter.from_pretrained("iscene-mini").complete(observation)
    aligned_frame = GravityAlignedFrame.from_gravity(scene.gravity_camera)
    meshes = [o.mesh.transformed(o.frame_from_object) for o in scene.objects]
    meshes = [Mesh(aligned_frame.from_camera(m.vertices), m.faces) for m in meshes]
    shapes, truth = in_cube(meshes, 0.8, (0.05, 0.0, -0.02))
    rows = [observation.instance_ids.index(o.id) for o in scene.objects]
    shapes = [CubeShape(row, s.mesh) for row, s in zip(rows, shapes, strict=True)]
    registration = register_scene(
        shapes, resolve_mask_overlaps(observation.rectified()), aligned_frame
    )
    assert len(registration.rejected) <= 1
    assert registration.similarity.scale == pytest.approx(truth.scale, rel=0.05)
    assert registration.residual_m < 0.004
