"""Relations of scenes made by hand."""

import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scenes import (
    WALL_X,
    WALL_Y,
    ball,
    bodies,
    box,
    chair,
    cup,
    joined,
    look_from,
    moved,
    noisy,
    rod,
    table,
)

from iscene_ros.core.predicate import INVERSE, Predicate
from iscene_ros.geometry.bodies import Body
from iscene_ros.geometry.environment import BoxEnvironment
from iscene_ros.relations.build import relate_bodies

look = partial(look_from, target=(0.0, 0.0, 0.1))


def edges(found, *predicates):
    """{(subject, predicate, object)} of the relations, of some predicates only."""
    return {
        (r.subject, r.predicate, r.object)
        for r in found
        if not predicates or r.predicate in predicates
    }


def supports_of(found):
    return {(s, o) for s, _, o in edges(found, "supported_by")}


def related(*meshes, environment=None, **surface):
    return relate_bodies(bodies(*meshes, **surface), environment or table())


def test_stack_of_three():
    stack = [box((0.1, 0.1, 0.05), bottom=0.05 * level) for level in range(3)]
    found = related(*stack)
    assert supports_of(found) == {(1, 0), (2, 1), (3, 2)}
    assert {(3, 1), (3, 2), (2, 1)} == {(s, o) for s, _, o in edges(found, "blocks_from_above")}
    assert (3, "above", 1) in edges(found) and (1, "below", 3) in edges(found)
    assert (3, "above", 2) not in edges(found)
    assert not edges(found, "leaning_on", "inside")


def test_contact_of_a_stack_has_evidence():
    found = related(box((0.1, 0.1, 0.05)), box((0.06, 0.06, 0.05), bottom=0.05))
    edge = next(r for r in found if (r.subject, r.predicate, r.object) == (2, "supported_by", 1))
    assert edge.evidence.gap_m == pytest.approx(0.0, abs=1e-4)
    assert edge.evidence.area_m2 == pytest.approx(0.0036, rel=0.1)
    assert edge.evidence.contact_point == pytest.approx((0, 0, 0.05), abs=2e-3)
    assert edge.evidence.normal == pytest.approx((0, 0, 1), abs=1e-3)
    assert edge.evidence.is_stable


class UnseenBoard(BoxEnvironment):
    """A shelf whose board has no depth: nothing is known of it, and it may be anywhere."""

    def is_hidden(self, points):
        return np.ones(len(points), bool)


def related_on_unseen_board(*meshes):
    seen = [replace(body, observed=body.vertices[:50]) for body in bodies(*meshes)]
    return relate_bodies(seen, UnseenBoard(()))


def test_objects_on_a_board_without_depth_stand_on_the_surroundings():
    found = related_on_unseen_board(box((0.1, 0.1, 0.05)), box((0.05, 0.05, 0.05), bottom=0.05))
    assert supports_of(found) == {(1, 0), (2, 1)}


def test_what_would_fall_off_its_neighbour_stands_on_the_board_without_depth():
    low = box((0.1, 0.1, 0.02))
    book = box((0.03, 0.12, 0.16), (0.062, 0.0), bottom=0.02)  # 3 mm of it are over the low box
    found = related_on_unseen_board(low, book)
    assert supports_of(found) == {(1, 0), (2, 0)}
    assert (2, "touching", 1) in edges(found)


def test_a_container_on_a_board_without_depth_carries_what_is_in_it():
    found = related_on_unseen_board(cup(0.04, 0.1), ball(0.015, (0.012, 0.0, 0.03)))
    assert supports_of(found) == {(1, 0), (2, 1)}


def test_arch_rests_on_both_pillars():
    pillars = [box((0.04, 0.06, 0.12), (x, 0.0)) for x in (-0.07, 0.07)]
    found = related(*pillars, box((0.2, 0.06, 0.04), bottom=0.12))
    assert supports_of(found) == {(1, 0), (2, 0), (3, 1), (3, 2)}
    assert not edges(found, "leaning_on")


def test_mug_in_bowl():
    bowl = cup(0.06, 0.07, flare=1.4)
    mug = cup(0.035, 0.08, bottom=0.004)
    found = related(bowl, mug)
    assert edges(found, "inside") == {(2, "inside", 1)}
    assert edges(found, "contains") == {(1, "contains", 2)}
    assert supports_of(found) == {(1, 0), (2, 1)}
    assert (2, "blocks_from_above", 1) in edges(found)


def test_book_leans_on_box():
    lean = np.deg2rad(20)
    book = trimesh.creation.box((0.02, 0.15, 0.2))
    book.apply_translation([0.01, 0, 0.1])
    book.apply_transform(trimesh.transformations.rotation_matrix(-lean, [0, 1, 0]))
    book.apply_translation([0.0, 0, -book.vertices[:, 2].min()])
    # The upper edge of the box meets the book's left face.
    height = 0.12
    face = -height * np.tan(lean)
    support = box((0.1, 0.15, height), (face - 0.05 - 1e-4, 0.0))
    found = related(support, book)
    assert supports_of(found) >= {(1, 0), (2, 0)}
    assert edges(found, "leaning_on") == {(2, "leaning_on", 1)}
    assert (1, "touching", 2) in edges(found)


def test_spoon_in_mug():
    mug = cup(0.04, 0.1)
    spoon = rod((-0.03, 0.0, 0.0085), (0.051, 0.0, 0.16), 0.004)
    found = related(mug, spoon)
    assert (2, "inside", 1) in edges(found)
    assert (2, 1) in supports_of(found) and (1, 2) not in supports_of(found)


def test_cup_on_saucer_on_table():
    saucer = cup(0.05, 0.012, wall=0.003, flare=1.5)
    found = related(saucer, cup(0.03, 0.07, bottom=0.003))
    assert supports_of(found) == {(1, 0), (2, 1)}
    assert not edges(found, "inside")


def test_ball_in_a_corner_touches_walls_and_rests_on_the_table():
    found = related(ball(0.05, (-0.45, -0.45, 0.05)), environment=table(WALL_X, WALL_Y))
    assert supports_of(found) == {(1, 0)}
    assert (1, "touching", 0) in edges(found)
    assert not edges(found, "leaning_on", "inside", "blocks_from_above")


def test_two_equal_chairs_around_a_table():
    legs = [box((0.05, 0.05, 0.7), (x, y)) for x in (-0.5, 0.5) for y in (-0.3, 0.3)]
    furniture = joined(box((1.2, 0.8, 0.04), bottom=0.7), *legs)
    chairs = [moved(chair(), (-0.95, 0, 0)), moved(chair(), (0.95, 0, 0), np.pi)]
    floor = (np.array([-3.0, -3.0, -0.1]), np.array([3.0, 3.0, 0.0]))
    pose = look((0.0, -3.0, 1.2))
    found = relate_bodies(bodies(furniture, *chairs), BoxEnvironment((floor,)), pose, shapes=True)
    assert edges(found, "same_shape") == {(2, "same_shape", 3), (3, "same_shape", 2)}
    assert supports_of(found) == {(1, 0), (2, 0), (3, 0)}
    assert (2, "left_of", 1) in edges(found) and (3, "right_of", 1) in edges(found)
    assert (1, "near", 2) in edges(found) and not edges(found, "inside", "leaning_on")


def test_object_that_hangs_over_the_edge_of_the_table():
    hanging = related(box((0.2, 0.05, 0.03), (0.48, 0.0)))
    assert supports_of(hanging) == {(1, 0)}
    edge = next(r for r in hanging if r.predicate == "supported_by")
    assert edge.evidence.is_stable
    tipping = related(box((0.2, 0.05, 0.03), (0.55, 0.0)))
    edge = next(r for r in tipping if r.predicate == "supported_by")
    assert edge.evidence.is_stable is False


@pytest.mark.parametrize("seed", range(4))
def test_interpenetrating_noisy_meshes(seed):
    below = noisy(box((0.12, 0.12, 0.06)), 0.002, seed)
    above = noisy(box((0.08, 0.08, 0.06), bottom=0.057), 0.002, seed + 10)
    found = related(below, above, sigma=0.002, is_exact=False)
    assert supports_of(found) == {(1, 0), (2, 1)}
    assert not edges(found, "inside")


def test_five_millimetres_of_air_count_where_the_surface_is_known():
    floating = box((0.08, 0.08, 0.06), bottom=0.005)
    exact = relate_bodies(bodies(floating), table())
    assert not edges(exact, "touching")
    unsure = related(floating, sigma=0.003, is_exact=False)
    assert supports_of(unsure) == {(1, 0)}
    resting = related(box((0.08, 0.08, 0.06)), sigma=0.003, is_exact=False)
    confidence = [
        next(r.confidence for r in found if r.predicate == "supported_by")
        for found in (unsure, resting)
    ]
    assert confidence[0] < confidence[1]


def test_occlusion_and_directions_follow_the_camera():
    front, back = box((0.1, 0.1, 0.1), (0.0, -0.15)), box((0.1, 0.1, 0.1), (0.0, 0.0))
    found = relate_bodies(bodies(front, back), table(), look((0.0, -1.5, 0.15)))
    assert (1, "occludes", 2) in edges(found) and (2, "occludes", 1) not in edges(found)
    assert (1, "in_front_of", 2) in edges(found) and (2, "behind", 1) in edges(found)
    turned = relate_bodies(bodies(front, back), table(), look((0.0, 1.5, 0.15)))
    assert (2, "occludes", 1) in edges(turned) and (2, "in_front_of", 1) in edges(turned)


def test_board_above_blocks_lifting():
    board = (np.array([-0.2, -0.2, 0.2]), np.array([0.2, 0.2, 0.22]))
    found = related(box((0.1, 0.1, 0.1)), environment=table(board))
    assert (0, "blocks_from_above", 1) in edges(found)
    assert supports_of(found) == {(1, 0)}


def test_nothing_and_one_object_without_surroundings_have_no_edges():
    assert relate_bodies([], table()) == ()
    assert relate_bodies(bodies(box((0.1, 0.1, 0.1))), None) == ()


def test_open_and_degenerate_meshes_are_no_accident():
    open_box = box((0.1, 0.1, 0.1))
    open_box.update_faces(np.arange(len(open_box.faces)) != 3)
    flat = Body.of(2, [[0.2, 0, 0.01], [0.3, 0, 0.01], [0.2, 0.1, 0.01]], [[0, 1, 2]])
    line = Body.of(3, [[0.2, 0, 0], [0.3, 0, 0], [0.4, 0, 0]], [[0, 1, 2]])
    made = [*bodies(open_box), flat, line]
    found = relate_bodies(made, table(), look((0.0, -1.0, 0.5)), shapes=False)
    assert (1, 0) in supports_of(found)
    assert Body.of(4, [[0, 0, np.nan]] * 3, [[0, 1, 2]]) is None
    assert Body.of(4, np.zeros((0, 3)), np.zeros((0, 3))) is None


@st.composite
def heaps(draw):
    """Boxes anywhere, overlapping or not."""
    number = st.floats(-0.15, 0.15)
    size = st.floats(0.02, 0.12)
    return [
        box(
            (draw(size), draw(size), draw(size)),
            (draw(number), draw(number)),
            bottom=draw(st.floats(0.0, 0.2)),
            yaw=draw(st.floats(0.0, 3.0)),
        )
        for _ in range(draw(st.integers(1, 5)))
    ]


@given(heap=heaps(), is_exact=st.booleans())
@settings(max_examples=25, deadline=None)
def test_graph_is_consistent(heap, is_exact):
    surface = {"sigma": 2e-4 if is_exact else 3e-3, "is_exact": is_exact}
    pose = look((0.1, -1.0, 0.5))
    found = relate_bodies(bodies(*heap, **surface), table(), pose)
    all_edges = edges(found)
    assert len(all_edges) == len(found)
    for subject, predicate, obj in all_edges:
        assert subject != obj
        inverse = INVERSE.get(Predicate(predicate))
        assert inverse is None or (obj, inverse.value, subject) in all_edges
    for one, other in itertools.permutations(range(len(heap) + 1), 2):
        for predicate in ("supported_by", "inside", "left_of", "in_front_of", "above"):
            assert not {(one, predicate, other), (other, predicate, one)} <= all_edges
        if (one, "inside", other) in all_edges:
            assert (other, "supported_by", one) not in all_edges
        if (one, "supported_by", other) in all_edges:
            assert (one, "touching", other) in all_edges
            assert (one, "above", other) not in all_edges
    carried = supports_of(found)
    for _ in range(len(heap) + 1):
        carried |= {(a, d) for a, b in carried for c, d in carried if b == c}
    assert all(a != b for a, b in carried)


def test_support_hardly_depends_on_where_the_scene_is():
    """Columns sample the surfaces: a contact of one column, or at a limit, may come and go."""
    floor = (np.array([-9.0, -9.0, -0.1]), np.array([9.0, 9.0, 0.0]))
    rng = np.random.default_rng(0)

    def certain(meshes):
        found = relate_bodies(bodies(*meshes), BoxEnvironment((floor,)))
        edges = [r for r in found if r.predicate == "supported_by"]
        return {(r.subject, r.object) for r in edges if r.confidence > 0.9}

    count = changed = 0
    for _ in range(60):
        heap = []
        for _ in range(rng.integers(2, 6)):
            tops = [0.0, *(mesh.bounds[1, 2] for mesh in heap)]
            place = rng.uniform(-0.08, 0.08, 2), rng.choice(tops), rng.uniform(0, 3)
            heap.append(box(rng.uniform(0.02, 0.12, 3), *place))
        offset, yaw = (*rng.uniform(-2, 2, 2), 0.0), rng.uniform(-3, 3)
        here, there = certain(heap), certain([moved(mesh, offset, yaw) for mesh in heap])
        count, changed = count + len(here), changed + len(here ^ there)
    assert count > 100 and changed <= 0.02 * count
