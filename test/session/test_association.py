"""Data association by place, shape, class and tracker id, before the completion."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from table_scene import Thing, box, completed, cup, looking_at, moved, shoot

from iscene_ros.core.scene_update import TrackedObject
from iscene_ros.geometry.camera_view import CameraView
from iscene_ros.geometry.object_surface import ObjectSurface
from iscene_ros.session.association import associate
from iscene_ros.session.measurements import MapObject, measurements

MATCH_DISTANCE = 0.15


def known(things, noise=0.0, seed=0) -> list[MapObject]:
    """Things as they were completed earlier."""
    rng = np.random.default_rng(seed)
    made = []
    for number, thing in enumerate(things, 1):
        item = completed(number, thing, noise, rng)
        tracked = TrackedObject(item, f"{thing.label}_{number}", thing.tracker_id, 0, 0)
        made.append(MapObject(tracked, ObjectSurface.of(item)))
    return made


def association(tracked, detected, noise=0.0, seed=0) -> tuple:
    """The association of a frame that shows some things with others that are known."""
    shot = shoot(detected)
    view = CameraView(shot.tracked.observation, looking_at())
    seen = measurements(shot.tracked)
    return associate(view, known(tracked, noise, seed), seen, MATCH_DISTANCE)


def matched(tracked, detected, noise=0.0, seed=0) -> list[int | None]:
    return [match.index for match in association(tracked, detected, noise, seed)[0]]


GRID = [Thing(0.12 * (i % 4) - 0.18, 0.16 * (i // 4) - 0.1) for i in range(8)]


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(len(GRID))), st.integers(0, 100))
def test_equal_cups_keep_their_places_in_any_order_under_noise(order, seed):
    assert matched(GRID, [GRID[i] for i in order], noise=0.003, seed=seed) == list(order)


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


def test_a_tracker_id_leads_to_what_nothing_else_explains():
    tracked = [Thing(-0.1, 0, tracker_id="a"), Thing(0.1, 0, tracker_id="b")]
    fallen = Thing(-0.2, 0.2, "cup", box(0.1, 0.07, 0.07), "a")
    assert matched(tracked, [tracked[1], fallen]) == [1, 0]


def test_tracker_ids_that_changed_places_are_overruled_by_the_geometry():
    tracked = [Thing(-0.1, 0, tracker_id="a"), Thing(0.1, 0, tracker_id="b")]
    detected = [replace(tracked[0], tracker_id="b"), replace(tracked[1], tracker_id="a")]
    matches, overruled = association(tracked, detected)
    assert [m.index for m in matches] == [0, 1]
    assert len(overruled) == 2 and "geometry counts" in overruled[0]


def test_a_tracker_id_does_not_take_an_object_from_its_place():
    cup, other = (
        Thing(-0.1, 0, tracker_id="a"),
        Thing(0.15, 0.05, "plate", box(0.2, 0.2, 0.02), "a"),
    )
    assert matched([cup], [other, replace(cup, tracker_id="z")]) == [None, 0]
    assert matched([cup], [other, replace(cup, detected=False)]) == [None]


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
