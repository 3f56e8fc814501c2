"""A session goes on from the world that another one saved."""

from dataclasses import replace

import numpy as np
import pytest
from fake_completer import FakeCompleter
from session_driver import Driver, centers, stamp, view
from session_inputs import CAMERA_FRAME, transform
from table_scene import Thing, looking_at

from iscene_ros.io.world_files import read_world, write_world
from iscene_ros.session.rejection import RejectReason

LEFT, RIGHT = Thing(-0.1, 0), Thing(0.1, 0)


@pytest.fixture
def saved(tmp_path):
    """The folder of a world with two objects, ids 2 and 3."""
    first = Driver()
    first.step(0, view([LEFT]))
    first.session.reset()
    first.step(100, view([LEFT, RIGHT]))
    assert [k.id for k in first.session.update.objects] == [2, 3]
    write_world(first.session.world(), tmp_path / "world")
    return tmp_path / "world"


def test_the_next_frame_recognises_the_objects(saved):
    driver = Driver(load_world=str(saved))
    update = driver.step(0, view([RIGHT, LEFT, Thing(0, 0.1)]))
    assert {k.id: k.name for k in update.objects} == {
        2: "object_2",
        3: "object_3",
        4: "object_4",
    }
    assert update.observation.instance_ids == (3, 2, 4) and update.first
    assert driver.rejected == {}


def test_objects_keep_their_evidence(saved):
    world = read_world(saved)
    assert all(len(known.keyframes) == 1 for known in world.objects)
    driver = Driver(load_world=str(saved), posed=False)
    driver.add(transform("map", CAMERA_FRAME, static=True, matrix=looking_at(5.0)))
    for known, before in zip(driver.step(0, view([])).objects, world.objects, strict=True):
        (kept,), (saved_one,) = known.keyframes, before.keyframes
        np.testing.assert_array_equal(kept.view.depth, saved_one.view.depth)
        np.testing.assert_allclose(kept.points, saved_one.points)


def test_objects_out_of_view_are_there_and_ids_are_not_used_again(saved):
    driver = Driver(load_world=str(saved), posed=False)
    away = transform("map", CAMERA_FRAME, static=True, matrix=looking_at(5.0))
    driver.add(away)
    update = driver.step(0, view([]))
    assert [k.id for k in update.objects] == [2, 3] and update.seen == frozenset()
    assert driver.session.reset().objects == ()
    assert [k.id for k in driver.step(100, view([LEFT])).objects] == [4]


def test_a_tracker_that_counts_anew_does_not_mix_up_the_objects(saved, tmp_path):
    world = read_world(saved)
    trackers = ("1", "2")
    objects = tuple(replace(k, tracker_id=t) for k, t in zip(world.objects, trackers, strict=True))
    write_world(replace(world, objects=objects), tmp_path / "tracked")
    driver = Driver(load_world=str(tmp_path / "tracked"))
    update = driver.step(0, view([LEFT, RIGHT]))
    assert [k.tracker_id for k in update.objects] == ["", ""]


def test_a_world_waits_for_its_frame_and_replaces_what_was_tracked_until_then(saved):
    driver = Driver(load_world=str(saved), posed=False, transform_timeout=0)
    driver.add(transform("odom", CAMERA_FRAME, static=True, matrix=looking_at()))
    update = driver.step(0, view([LEFT, RIGHT]))
    assert update.frame_id == "odom" and [k.id for k in update.objects] == [4, 5]
    shift = np.eye(4)
    shift[0, 3] = 0.0
    driver.add(transform("map", "odom", static=True, matrix=shift))
    update = driver.step(100, view([LEFT, RIGHT]))
    assert update.frame_id == "map" and [k.id for k in update.objects] == [2, 3]
    assert [r.id for r in update.removed] == [4, 5]
    np.testing.assert_allclose(centers(update)[:, 0], (-0.1, 0.1), atol=0.02)


def test_a_reset_drops_a_world_that_waits(saved):
    driver = Driver(load_world=str(saved))
    driver.session.reset()
    assert [k.id for k in driver.step(0, view([LEFT])).objects] == [4]


class FailsOnce(FakeCompleter):
    """Fails at its first completion."""

    def complete(self, *arguments, **options):
        if not vars(self).setdefault("failed", []):
            self.failed.append(True)
            raise RuntimeError("no memory")
        return super().complete(*arguments, **options)


def test_a_failed_completion_keeps_the_world_waiting(saved):
    driver = Driver(FailsOnce(), load_world=str(saved))
    assert driver.step(0, view([LEFT, RIGHT])) is None
    assert [k.id for k in driver.step(100, view([LEFT, RIGHT])).objects] == [2, 3]


def test_a_world_that_cannot_be_read_is_counted_and_the_map_is_empty(saved):
    (saved / "world.json").write_text("{")
    driver = Driver(load_world=str(saved))
    assert driver.rejected == {RejectReason.WORLD: 1}
    assert "the map is empty" in driver.lines[0] and str(saved) in driver.lines[0]
    assert ("rejected: world", "1") in driver.status().values
    assert [k.id for k in driver.step(0, view([LEFT])).objects] == [1]


def test_there_is_no_world_before_the_first_frame_and_after_a_reset():
    driver = Driver()
    assert driver.session.world() is None
    driver.step(0)
    assert len(driver.session.world().objects) == 2
    driver.session.reset()
    assert driver.session.world() is None


def test_the_surroundings_go_on(saved, tmp_path):
    pytest.importorskip("open3d", reason="needs open3d: pip install 'iscene_ros[fusion]'")
    world = read_world(saved)
    assert len(world.environment.keys) > 10
    driver = Driver(load_world=str(saved), posed=False)
    driver.add(transform("map", CAMERA_FRAME, static=True, matrix=looking_at(3.0)))
    # What the camera sees is far away; the table before the first camera is still there.
    mesh = driver.step(0, view([])).scene.environment
    assert np.any(np.linalg.norm(mesh.vertices[:, :2], axis=1) < 0.3)
    again = driver.session.world()
    write_world(again, tmp_path / "again")
    assert set(map(tuple, world.environment.keys)) <= set(map(tuple, again.environment.keys))
    assert again.stamp_ns == stamp(0)
