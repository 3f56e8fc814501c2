"""Data association by shape, position, class and tracker id."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_scene import Thing, box, completed, cup, moved

from iscene_ros.core.scene import Mesh
from iscene_ros.session.association import MatchCandidate, associate, shape_overlap

MATCH_DISTANCE = 0.15


def candidates(things, noise=0.0, seed=0) -> list[MatchCandidate]:
    rng = np.random.default_rng(seed)
    return [
        MatchCandidate(completed(number, thing, noise, rng), thing.tracker_id)
        for number, thing in enumerate(things, 1)
    ]


def always(*_) -> bool:
    return True


def matched(tracked, detected, noise=0.0, may_have_moved=always) -> list[int | None]:
    tracked, detected = candidates(tracked), candidates(detected, noise, seed=1)
    return associate(tracked, detected, MATCH_DISTANCE, may_have_moved)


GRID = [Thing(0.12 * (i % 4), 0.12 * (i // 4)) for i in range(10)]


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(len(GRID))), st.integers(0, 100))
def test_equal_cups_keep_their_places_in_any_order_under_noise(order, seed):
    detected = candidates([GRID[i] for i in order], noise=0.003, seed=seed)
    assert associate(candidates(GRID), detected, MATCH_DISTANCE, always) == list(order)


def test_nothing_known_or_nothing_found_is_no_match():
    assert matched([], GRID[:2]) == [None, None]
    assert matched(GRID[:2], []) == []


def test_two_equal_cups_side_by_side_stay_apart_when_one_is_gone():
    left, right = Thing(0, 0), Thing(0.08, 0)
    assert matched([left, right], [right], noise=0.003) == [1]
    assert matched([left, right], [left], noise=0.003) == [0]


def test_a_new_cup_beside_a_known_one_is_new():
    assert matched([Thing(0, 0)], [Thing(0.08, 0), Thing(0, 0)], noise=0.003) == [None, 0]


def test_a_cup_that_moved_within_the_limit_is_the_same_and_beyond_it_is_not():
    assert matched([Thing(0, 0)], [Thing(0.14, 0)]) == [0]
    assert matched([Thing(0, 0)], [Thing(0.16, 0)]) == [None]


def test_both_cups_that_moved_a_little_are_the_same():
    things = [Thing(0, 0), Thing(0.3, 0)]
    assert matched(things, [moved(t, 0.1, 0.05) for t in reversed(things)]) == [1, 0]


def test_another_class_or_another_size_has_not_moved():
    assert matched([Thing(0, 0)], [Thing(0.1, 0, "can")]) == [None]
    assert matched([Thing(0, 0)], [Thing(0.1, 0, mesh=cup(0.35))]) == [None]


def test_a_class_that_flickers_does_not_matter_where_the_shape_agrees():
    assert matched([Thing(0, 0)], [Thing(0, 0, "mug")], noise=0.003) == [0]
    plate = Thing(0, 0, "plate", box(0.2, 0.2, 0.02))
    assert matched([Thing(0, 0)], [plate]) == [None]


def test_the_class_decides_between_two_that_fit_alike():
    tracked = [Thing(0, 0, "can"), Thing(0, 0, "cup")]
    assert matched(tracked, [Thing(0, 0, "cup")]) == [1]
    assert matched(tracked[::-1], [Thing(0, 0, "cup")]) == [0]


def test_what_cannot_have_moved_is_new():
    calls = []

    def reject(tracked: int, detected: int) -> bool:
        calls.append((tracked, detected))
        return False

    tracked, detected = [Thing(0, 0), Thing(0.5, 0)], [Thing(0.1, 0), Thing(0.5, 0)]
    assert matched(tracked, detected, may_have_moved=reject) == [None, 1]
    assert calls == [(0, 0)]  # neither far ones nor those that overlap


def test_a_tracker_id_that_both_have_decides():
    tracked = [Thing(0, 0, tracker_id="a"), Thing(0.3, 0, tracker_id="b")]
    detected = [replace(tracked[0], tracker_id="b"), replace(tracked[1], tracker_id="a")]
    assert matched(tracked, detected) == [1, 0]
    assert matched(tracked, [Thing(5, 5, "other", box(0.3, 0.3, 0.3), "a")]) == [0]


def test_without_a_tracker_id_on_both_sides_shape_decides():
    tracked = [Thing(0, 0, tracker_id="a"), Thing(0.3, 0)]
    assert matched(tracked, [Thing(0.3, 0, tracker_id="c"), Thing(0, 0)]) == [1, 0]


def test_a_new_tracker_id_in_the_old_place_is_the_same_object():
    assert matched([Thing(0, 0, tracker_id="1")], [Thing(0, 0, tracker_id="7")], noise=0.003) == [0]


def test_a_new_tracker_id_beside_the_old_place_is_another_object():
    assert matched([Thing(0, 0, tracker_id="1")], [Thing(0.1, 0, tracker_id="7")]) == [None]


def test_a_tracker_id_used_twice_is_ignored():
    things = [Thing(0, 0, tracker_id="1"), Thing(0.4, 0, tracker_id="1")]
    assert matched(things, things[::-1]) == [1, 0]
    assert matched(things[:1], things[::-1]) == [None, 0]
    assert matched(things, things[:1]) == [0]
    assert matched(things[:1], [moved(t, 0.1) for t in things]) == [0, None]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_no_known_object_is_matched_twice(seed):
    rng = np.random.default_rng(seed)

    def some():
        return [
            Thing(
                *rng.uniform(0, 0.3, 2),
                label=rng.choice(["cup", "can"]),
                tracker_id=rng.choice(["", "1", "2", "3"]),
            )
            for _ in range(6)
        ]

    tracked = some()
    matches = [m for m in matched(tracked, some(), noise=0.005) if m is not None]
    assert len(set(matches)) == len(matches) and all(0 <= m < len(tracked) for m in matches)


@pytest.mark.parametrize("shift, low, high", [(0.0, 1.0, 1.0), (0.02, 0.05, 0.9), (0.5, 0, 0)])
def test_overlap_falls_with_distance(shift, low, high):
    a, b = candidates([Thing(0, 0), Thing(shift, 0)])
    overlap = shape_overlap(a, b)
    assert low <= overlap <= high and overlap == pytest.approx(shape_overlap(b, a))


def test_overlap_does_not_depend_on_how_finely_the_surface_is_meshed():
    import trimesh

    coarse = trimesh.creation.icosphere(subdivisions=1, radius=0.05)
    fine = trimesh.creation.icosphere(subdivisions=4, radius=0.05)
    meshes = [Mesh(b.vertices.astype(np.float32), b.faces.astype(np.int32)) for b in (coarse, fine)]
    a, b = candidates([Thing(0, 0, mesh=mesh) for mesh in meshes])
    assert shape_overlap(a, b) > 0.8


def test_a_mesh_without_vertices_overlaps_with_nothing():
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    a, b = candidates([Thing(0, 0), Thing(0, 0)])
    b = MatchCandidate(replace(b.item, mesh=empty), "")
    assert shape_overlap(a, b) == shape_overlap(b, a) == 0
