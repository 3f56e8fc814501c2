"""Convex parts are cut apart where they overlap, and only there."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scenes import ball, box, cup
from scipy.spatial import ConvexHull

from iscene_ros.planning.convex_cuts import ConvexPart, cutting_plane, separated

NOWHERE = np.zeros((0, 3))


def part(mesh, surface=None):
    surface = mesh if surface is None else surface
    return ConvexPart.of(np.asarray(mesh.vertices), np.asarray(surface.vertices))


def volume(parts):
    return sum(ConvexHull(part.vertices).volume for part in parts)


@given(
    st.integers(0, 2**31),
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda n: np.linalg.norm(n) > 0.1),
    st.floats(-0.9, 0.9),
)
@settings(deadline=None, max_examples=60)
def test_the_halves_of_a_cut_make_up_the_whole(seed, normal, share):
    points = np.random.default_rng(seed).normal(size=(30, 3)) * 0.05
    whole = ConvexPart.of(points, NOWHERE)
    normal = np.array(normal) / np.linalg.norm(normal)
    offset = share * np.abs(points @ normal).max()
    halves = [whole.cut(normal, offset), whole.cut(-normal, -offset)]
    halves = [half for half in halves if half is not None]
    assert volume(halves) == pytest.approx(volume([whole]), rel=1e-3, abs=2e-10)
    for half, sign in zip(halves, (1, -1), strict=False):
        if len(halves) == 2:
            assert (sign * (half.vertices @ normal - offset)).max() < 1e-9


def test_what_only_touches_is_left_as_it_is():
    below, above = part(box((0.1, 0.1, 0.05))), part(box((0.05, 0.05, 0.05), bottom=0.05))
    assert cutting_plane(below, above) is None
    (one,), (other,) = separated([[below], [above]])
    assert one is below and other is above


def test_a_box_that_sinks_into_another_meets_it_half_way():
    below, above = part(box((0.1, 0.1, 0.05))), part(box((0.05, 0.05, 0.05), bottom=0.044))
    (one,), (other,) = separated([[below], [above]])
    assert one.vertices[:, 2].max() == pytest.approx(0.047)
    assert other.vertices[:, 2].min() == pytest.approx(0.047)
    lost = (0.1**2 + 0.05**2) * 0.003
    assert volume([one, other]) == pytest.approx(volume([below, above]) - lost)


def test_two_in_the_same_place_share_it():
    one, other = (part(box((0.05, 0.05, 0.05))) for _ in range(2))
    (half,), (rest,) = separated([[one], [other]])
    assert volume([half]) == pytest.approx(volume([rest])) == pytest.approx(0.05**3 / 2)


def test_of_a_hull_that_fills_a_cup_the_filling_goes_and_not_the_ball_in_it():
    vessel, content = cup(0.05, 0.1), ball(0.02, (0.0, 0.0, 0.03))
    wedge = vessel.copy()
    wedge.vertices = np.where(wedge.vertices[:, :1] > -0.01, wedge.vertices, [[0, 0, 0.05]])
    filled, whole = part(wedge.convex_hull, vessel), part(content)
    (rest,), (kept,) = separated([[filled], [whole]])
    assert volume([kept]) == pytest.approx(volume([whole]), rel=0.02)
    assert volume([rest]) < 0.7 * volume([filled])
    assert cutting_plane(rest, kept) is None


def test_fixed_parts_are_not_cut_and_what_is_inside_of_them_vanishes():
    wall = part(box((0.01, 0.2, 0.2), at=(0.05, 0)))
    (rest,), gone = separated(
        [[part(box((0.1, 0.05, 0.05)))], [part(box((0.004, 0.01, 0.01), (0.05, 0), 0.1))]], [wall]
    )
    assert rest.vertices[:, 0].max() == pytest.approx(0.045)
    assert gone == []


def test_nothing_overlaps_after_cuts_of_random_heaps():
    rng = np.random.default_rng(3)
    for _ in range(20):
        groups = []
        for _ in range(4):
            mesh = trimesh.creation.box(rng.uniform(0.02, 0.08, 3))
            mesh.apply_transform(trimesh.transformations.random_rotation_matrix(rng.random(3)))
            groups.append([part(mesh.apply_translation(rng.uniform(-0.03, 0.03, 3)))])
        made = separated(groups)
        for k, one in enumerate(made):
            for other in made[:k]:
                assert all(cutting_plane(p, q) is None for p in one for q in other)


def test_flat_and_broken_parts_are_none():
    flat = box((0.1, 0.1, 0.05)).vertices * [1, 1, 0]
    assert ConvexPart.of(flat, NOWHERE) is None
    assert ConvexPart.of(np.full((4, 3), np.nan), NOWHERE) is None
    assert part(box((0.1, 0.1, 0.1))).cut(np.array([0, 0, 1.0]), 1e-9) is None


def test_a_vertical_enters_and_leaves_a_ball_at_its_surface():
    low, high = part(ball(0.05, (0, 0, 0.1))).column(np.array([[0.0, 0], [0.03, 0], [0.06, 0]]))
    np.testing.assert_allclose(low, [0.05, 0.06, np.inf], atol=1e-3)
    np.testing.assert_allclose(high, [0.15, 0.14, -np.inf], atol=1e-3)
