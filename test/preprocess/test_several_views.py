"""Several views of one scene: evidence of single instances, crops, registration, bad input."""

from dataclasses import replace

import numpy as np
import pytest
from orbit_views import BOXES, orbit_view
from scipy.spatial.transform import Rotation

from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.preprocess.crops import fit_crops
from iscene_ros.preprocess.instance_views import cropped_view, instance_views
from iscene_ros.preprocess.view_fusion import fused_readings
from iscene_ros.preprocess.view_registration import registered
from iscene_ros.preprocess.view_sequence import check_evidence, reference_and_evidence

FRONT, BACK = orbit_view(-90), orbit_view(90)


def points_world(view, instance_id):
    mask = view.masks[view.instance_ids.index(instance_id)]
    rows, columns = np.nonzero(mask & (view.depth > 0))
    points = view.camera.unproject(np.column_stack([columns, rows]), view.depth[rows, columns])
    return points @ view.world_from_camera[:3, :3].T + view.world_from_camera[:3, 3]


def aligned(view):
    return GravityAlignedFrame.from_gravity(view.gravity_camera)


def crop_of(view, evidence, instance_id=1):
    crops = fit_crops(view, aligned(view), evidence)
    row = view.instance_ids.index(instance_id)
    return next(crop for crop in crops.instances if crop.index == row)


def crop_bounds_world(view, crop):
    corners = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T
    points = aligned(view).to_camera(crop.cube.to_aligned(corners))
    points = points @ view.world_from_camera[:3, :3].T + view.world_from_camera[:3, 3]
    return points.min(axis=0), points.max(axis=0)


def with_pose_error(view, shift_m, turn_deg):
    error = np.eye(4)
    error[:3, :3] = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    error[:3, 3] = shift_m
    return replace(view, world_from_camera=view.world_from_camera @ error)


def test_a_view_of_one_instance_shows_its_points_and_hides_the_others():
    views = instance_views(FRONT)
    assert set(views) == {1, 2}
    shown = views[1]
    assert shown.instance_ids == (1, 2) and shown.labels == ("box 1", "other objects")
    assert shown.depth.size < FRONT.depth.size
    full = {tuple(p) for p in np.round(points_world(FRONT, 1), 6)}
    kept = {tuple(p) for p in np.round(points_world(shown, 1), 6)}
    # Readings at depth jumps are left out.
    assert kept <= full and len(kept) > 0.8 * len(full)


@pytest.mark.parametrize("largest_side", [8, 20, 50])
def test_a_small_view_has_no_longer_side_and_pixels_of_the_full_one(largest_side):
    small = cropped_view(FRONT, 1, largest_side)
    assert max(small.depth.shape) <= largest_side
    full = {tuple(p) for p in np.round(points_world(FRONT, 1), 6)}
    assert {tuple(p) for p in np.round(points_world(small, 1), 6)} <= full


def test_the_crop_holds_what_any_view_saw():
    evidence = {1: [instance_views(BACK)[1]]}
    crop = crop_of(FRONT, evidence)
    low, high = crop_bounds_world(FRONT, crop)
    seen = np.concatenate([points_world(FRONT, 1), points_world(BACK, 1)])
    assert (seen > low).all() and (seen < high).all()
    assert len(crop.further_views) == 1
    assert len(crop.points_aligned) > len(crop_of(FRONT, None).points_aligned)


def test_a_view_from_behind_ends_the_room_for_a_hidden_side():
    edges, center = BOXES[1]
    alone = crop_bounds_world(FRONT, crop_of(FRONT, None))[1][1]
    both = crop_bounds_world(FRONT, crop_of(FRONT, {1: [instance_views(BACK)[1]]}))[1][1]
    back_face = center[1] + edges[1] / 2
    assert alone > both > back_face


def test_points_of_a_further_view_lie_where_the_instance_is():
    crop = crop_of(FRONT, {1: [instance_views(BACK)[1]]})
    points = aligned(FRONT).to_camera(crop.points_aligned)
    points = points @ FRONT.world_from_camera[:3, :3].T + FRONT.world_from_camera[:3, 3]
    edges, center = (np.array(values) for values in BOXES[1])
    assert (np.abs(points - center) < edges / 2 + 0.002).all()


def test_space_that_a_further_view_sees_free_is_free():
    evidence = {1: [instance_views(BACK)[1]]}
    crops = fit_crops(FRONT, aligned(FRONT), evidence)
    fused = fused_readings(FRONT, crops.instances[:1], aligned(FRONT), 16, 2.0)
    alone = replace(crops.instances[0], further_views=())
    single = fused_readings(FRONT, [alone], aligned(FRONT), 16, 2.0)
    hidden = (single.surface == -1) & (single.weight > 0)
    assert hidden.sum() > 1000
    assert (fused.surface[hidden] == 1).sum() > 0.1 * hidden.sum()
    assert not (fused.surface[single.surface == 1] == -1).any()


def test_an_instance_that_only_another_view_shows_has_a_crop():
    reference, evidence = reference_and_evidence([BACK, orbit_view(-90, ids=(1,))])
    assert reference.instance_ids == (1, 2) and not reference.masks[1].any()
    assert reference.labels == ("box 1", "box 2")
    crop = crop_of(reference, evidence, instance_id=2)
    readings = fused_readings(reference, [crop], aligned(reference), 16, 2.0)
    assert (readings.weight > 0).any()


@pytest.mark.parametrize("turn_deg", [(0.4, -0.5, 0.3), (-0.2, 0.1, -0.5)])
def test_a_wrong_pose_is_corrected(turn_deg):
    wrong = with_pose_error(orbit_view(-50), (0.005, -0.004, 0.004), turn_deg)
    found = registered(wrong, [FRONT])
    true_points = points_world(orbit_view(-50), 1)
    before = np.linalg.norm(points_world(wrong, 1) - true_points, axis=1).max()
    after = np.linalg.norm(points_world(found, 1) - true_points, axis=1).max()
    assert before > 0.005 and after < 0.25 * before


def test_a_pose_far_off_stays_as_it_is():
    wrong = with_pose_error(orbit_view(-50), (0.3, 0.0, 0.0), (0, 0, 20))
    assert registered(wrong, [FRONT]) is wrong


def test_views_without_pose_are_rejected():
    blind = replace(FRONT, world_from_camera=None, gravity_camera=None)
    with pytest.raises(InputError, match="view 1 of 2: no world_from_camera.*give each one"):
        reference_and_evidence([blind, BACK])


def test_one_view_needs_no_pose():
    blind = replace(FRONT, world_from_camera=None, gravity_camera=None)
    reference, evidence = reference_and_evidence([blind])
    assert reference is blind and evidence == {}


def test_an_id_of_two_different_objects_is_rejected():
    other = replace(BACK, labels=("mug", "box 2"))
    with pytest.raises(InputError, match="view 2 of 2: instance 1 is 'mug'.*'box 1'"):
        reference_and_evidence([FRONT, other])


def test_no_view_at_all_is_rejected():
    with pytest.raises(InputError, match="at least one"):
        reference_and_evidence([])


def test_evidence_of_an_unknown_instance_is_rejected():
    with pytest.raises(InputError, match="instance 7 is not in the observation"):
        check_evidence(FRONT, {7: [BACK]})
    with pytest.raises(InputError, match="does not have its id"):
        check_evidence(FRONT, {1: [orbit_view(90, ids=(2,))]})
