"""The object map from frame to frame: stable ids, removals, objects out of view."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from session_inputs import pose
from table_scene import Shot, Thing, box, looking_at, moved, shoot

from iscene_ros.core.scene_update import RemovedObject
from iscene_ros.core.stamps import SECOND
from iscene_ros.session.object_tracker import ObjectTracker
from iscene_ros.session.settings import Settings

RULES = Settings(forget_after=3)
LEFT, MIDDLE, RIGHT = Thing(-0.1, 0), Thing(0, 0, "can"), Thing(0.1, 0)
SCREEN = Thing(0, -0.1, "screen", box(0.5, 0.02, 0.3))


class Change(NamedTuple):
    """What a frame changed: ids in the map by instance id, those seen, and removed objects."""

    ids: dict[int, int]
    seen: frozenset[int]
    removed: tuple[RemovedObject, ...]


class Robot:
    """An object map that is updated by one frame after the other."""

    def __init__(self, rules: Settings = RULES) -> None:
        self.map, self.rules, self.frames = ObjectTracker(), rules, 0

    def see(self, things, seen_from=None, noise=0.003) -> Change:
        return self.take(shoot(things, seen_from, noise, seed=self.frames))

    def take(self, shot: Shot) -> Change:
        self.frames += 1
        frame = self.map.associate(shot.tracked, self.rules, anew=True)
        ids = dict(
            zip(shot.tracked.observation.instance_ids, frame.observation.instance_ids, strict=True)
        )
        scene = replace(
            shot.scene,
            objects=tuple(replace(o, id=ids[o.id]) for o in shot.scene.objects),
            skipped=tuple(replace(s, id=ids[s.id]) for s in shot.scene.skipped),
            observation=frame.observation,
        )
        return Change(ids, *self.map.update(frame, scene, self.frames * SECOND, self.rules))

    @property
    def names(self) -> list[str]:
        return [k.name for k in self.map.objects]


@pytest.fixture
def robot() -> Robot:
    return Robot()


def test_ids_names_and_colours_stay_under_noise_and_in_any_order(robot):
    rng = np.random.default_rng(0)
    things = [LEFT, MIDDLE, RIGHT, Thing(0.1, 0.15)]
    first = robot.see(things)
    assert robot.names == ["cup_1", "can_2", "cup_3", "cup_4"] and first.seen == {1, 2, 3, 4}
    colors = {k.id: tuple(k.item.color) for k in robot.map.objects}
    assert len(set(colors.values())) == 4
    for _ in range(15):
        order = rng.permutation(4)
        change = robot.see([things[i] for i in order])
        assert change.ids == {place: 1 + i for place, i in enumerate(order, 1)}
        assert {k.id: tuple(k.item.color) for k in robot.map.objects} == colors
    assert robot.names == ["cup_1", "can_2", "cup_3", "cup_4"]
    assert all(k.item.id == k.id and k.misses == 0 for k in robot.map.objects)
    assert robot.map.objects[0].first_seen_ns == SECOND
    assert robot.map.objects[0].last_seen_ns == 16 * SECOND


def test_an_object_out_of_view_stays_and_is_known_again(robot):
    robot.see([LEFT, RIGHT])
    for _ in range(10):
        change = robot.see([LEFT, RIGHT, Thing(2, 0)], looking_at(2.0))
        assert change.removed == ()
    assert robot.names == ["cup_1", "cup_2", "cup_3"]
    assert robot.map.objects[0].last_seen_ns == SECOND
    assert robot.see([RIGHT, LEFT]).ids == {1: 2, 2: 1}


def test_an_object_behind_the_camera_stays(robot):
    robot.see([LEFT])
    for _ in range(5):
        robot.see([LEFT, Thing(0, 1.5)], looking_at(0, 1.5))
    assert robot.names == ["cup_1", "cup_2"]


def test_an_object_mostly_beyond_the_border_is_not_judged(robot):
    robot.see([Thing(0.47, 0)], looking_at(0.4))
    for _ in range(5):
        assert robot.see([]).removed == ()
    assert robot.map.objects[0].misses == 0
    assert [robot.see([], looking_at(0.1)).removed != () for _ in range(3)] == [False, False, True]


def test_an_object_taken_away_is_removed_after_so_many_frames_and_not_before(robot):
    robot.see([LEFT, RIGHT])
    for misses in (1, 2):
        assert robot.see([RIGHT]).removed == ()
        assert [k.misses for k in robot.map.objects] == [misses, 0]
    assert robot.see([RIGHT]).removed == (RemovedObject(1, "cup_1"),)
    assert robot.names == ["cup_2"]
    assert robot.see([RIGHT]).removed == ()


def test_a_flat_object_that_is_taken_away_is_removed_though_depth_hardly_changes(robot):
    card = Thing(0, 0, "card", box(0.12, 0.08, 0.004))
    robot.see([card, RIGHT], noise=0)
    removed = [robot.see([RIGHT], noise=0).removed for _ in range(3)]
    assert [[r.name for r in gone] for gone in removed] == [[], [], ["card_1"]]


def test_frames_that_cannot_show_it_are_no_misses_and_no_end_of_them(robot):
    robot.see([LEFT])
    robot.see([])
    robot.see([SCREEN])  # hides the place
    robot.see([], looking_at(3.0))
    robot.see([])
    assert robot.map.objects[0].misses == 2
    assert [r.id for r in robot.see([]).removed] == [1]


def test_an_id_is_never_given_to_another_object(robot):
    robot.see([LEFT])
    for _ in range(3):
        robot.see([])
    assert robot.map.objects == ()
    assert robot.see([replace(LEFT, label="can")]).ids == {1: 2}
    robot.map.clear()
    assert robot.see([LEFT]).ids == {1: 3}


@pytest.mark.parametrize("detected", [True, False])
def test_a_hidden_object_stays(robot, detected):
    robot.see([LEFT, RIGHT])
    for _ in range(6):
        change = robot.see([LEFT, RIGHT, replace(SCREEN, detected=detected)])
        assert change.removed == () and {1, 2}.isdisjoint(change.seen)
    assert {"cup_1", "cup_2"} <= set(robot.names)
    assert robot.see([LEFT, RIGHT]).ids == {1: 1, 2: 2}


@pytest.mark.parametrize("nth", [3, 1000])
def test_where_the_depth_image_has_hardly_a_reading_nothing_is_judged(robot, nth):
    robot.see([LEFT, RIGHT])
    shot = shoot([RIGHT])
    kept = np.zeros(shot.tracked.observation.depth.shape, bool)
    kept[::nth, ::nth] = kept[:, 80:] = True
    depth = shot.tracked.observation.depth * kept
    blind = replace(shot.tracked, observation=replace(shot.tracked.observation, depth=depth))
    for _ in range(6):
        robot.take(Shot(shot.scene, blind))
    assert robot.names == ["cup_1", "cup_2"] and robot.map.objects[0].misses == 0


def test_an_instance_without_completion_keeps_its_object_alive(robot):
    robot.see([LEFT, RIGHT])
    for _ in range(6):
        change = robot.see([replace(LEFT, depth=False), RIGHT])
        assert change.ids == {1: 1, 2: 2} and change.seen == {2}
    tracked = robot.map.objects[0]
    assert tracked.misses == 0 and tracked.last_seen_ns == 7 * SECOND


def test_an_instance_without_completion_shows_the_object_of_its_class_and_place(robot):
    sticker = Thing(0, -0.036, "sticker", box(0.02, 0.002, 0.07))
    robot.see([sticker, Thing(0, 0)])
    assert robot.see([replace(Thing(0, 0), depth=False)]).ids == {1: 2}


def test_a_tracked_instance_without_completion_is_its_object_wherever_it_is(robot):
    robot.see([replace(LEFT, tracker_id="7"), RIGHT])
    change = robot.see([replace(moved(LEFT, dy=0.2), tracker_id="7", depth=False)])
    assert change.ids == {1: 1}


def test_an_object_that_moves_keeps_its_id_and_has_the_new_pose(robot):
    thing = LEFT
    robot.see([thing, RIGHT], noise=0)
    for step in [(0.1, 0.1), (-0.1, 0.05), (0, -0.06), (-0.14, 0)]:
        thing = moved(thing, *step)
        assert robot.see([RIGHT, thing], noise=0).ids == {1: 2, 2: 1}
        np.testing.assert_allclose(
            robot.map.objects[0].item.frame_from_object[:2, 3], (thing.x, thing.y), atol=1e-9
        )


def test_an_equal_cup_beside_a_hidden_one_is_another(robot):
    hidden = Thing(0.2, 0)
    robot.see([hidden])
    screen = Thing(0.25, -0.1, "screen", box(0.24, 0.02, 0.3))
    change = robot.see([hidden, screen, Thing(0.07, 0)])
    assert len(robot.map.objects) == 3 and 1 not in change.seen
    np.testing.assert_allclose(robot.map.objects[0].item.frame_from_object[0, 3], 0.2, atol=0.01)


def test_an_equal_cup_beside_one_out_of_view_is_another(robot):
    edge = Thing(0.4, 0)
    robot.see([edge])
    change = robot.see([edge, Thing(0.26, 0)], looking_at(-0.2))
    assert change.ids == {1: 2} and robot.names == ["cup_1", "cup_2"]


def test_a_class_that_flickers_changes_neither_id_nor_name(robot):
    robot.see([LEFT])
    for label in ("mug", "cup", "bowl"):
        assert robot.see([replace(LEFT, label=label)]).ids == {1: 1}
        assert robot.names == ["cup_1"] and robot.map.objects[0].item.label == label


def test_a_tracker_id_is_kept_over_frames_without_one(robot):
    tracked = replace(LEFT, tracker_id="42")
    robot.see([tracked])
    robot.see([LEFT])
    assert robot.map.objects[0].tracker_id == "42"
    assert robot.see([moved(tracked, 0.3)]).ids == {1: 1}


def test_moving_the_world_moves_every_pose(robot):
    robot.see([LEFT, RIGHT], noise=0)
    turn = pose(1, 2, 3, (0, 0, 90))
    before = [k.item.frame_from_object for k in robot.map.objects]
    robot.map.move(turn)
    after = [k.item.frame_from_object for k in robot.map.objects]
    np.testing.assert_allclose(after, [turn @ b for b in before])


def test_a_copy_changes_alone(robot):
    robot.see([LEFT])
    copy = robot.map.copy()
    robot.see([LEFT, RIGHT])
    assert [k.id for k in copy.objects] == [1]
    assert copy.clear() == (RemovedObject(1, "cup_1"),)
    assert robot.names == ["cup_1", "cup_2"]


def test_the_prefix_leads_every_name():
    robot = Robot(replace(RULES, frame_prefix="arm1/"))
    robot.see([LEFT])
    assert robot.names == ["arm1/cup_1"]


def test_names_that_others_use_are_left_to_them(robot):
    robot.map.taken_names = frozenset({"cup_1", "cup_2", "can_4"})
    robot.see([LEFT, MIDDLE, RIGHT])
    assert robot.names == ["cup_3", "can_5", "cup_6"]
    assert [k.id for k in robot.map.objects] == [3, 5, 6]
    robot.map.taken_names = frozenset({"cup_3"})
    robot.see([LEFT, MIDDLE, RIGHT])
    assert robot.names == ["cup_3", "can_5", "cup_6"]
