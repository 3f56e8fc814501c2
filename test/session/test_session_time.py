"""Jumps back in time and resets: dropped state, reported removals, completion of the next frame."""

import pytest
from session_driver import Driver, messages_of, stamp
from session_inputs import CAMERA_FRAME, pose, transform
from table_scene import looking_at

from iscene_ros.session.inputs import ColorImage, DepthImage, InstanceImage, PoseSample
from iscene_ros.session.rejection import RejectReason


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.mark.parametrize("first", [ColorImage, DepthImage, InstanceImage])
def test_after_a_jump_back_in_time_the_first_frame_of_the_new_run_completes(first):
    driver = Driver()
    for i in range(3):
        old = driver.step(60_000 + 100 * i)
    assert {k.name for k in old.objects} == {"object_1", "object_2"}
    messages = sorted(messages_of(object, 0), key=lambda m: not isinstance(m, first))
    driver.add(*messages, now=0)
    assert driver.rejected == {RejectReason.TIME_JUMP: 1}
    assert driver.session.update is None
    update = driver.finish(0)
    assert update.first and [k.id for k in update.objects] == [3, 4]
    assert {r.name for r in update.removed} == {"object_1", "object_2"}
    assert driver.step(100).removed == ()


def test_transforms_that_began_anew_before_the_images_stay():
    driver = Driver(posed=False)
    for at in (60_000, 60_100):
        driver.add(transform("map", CAMERA_FRAME, stamp(at), matrix=looking_at()), now=at)
    assert driver.step(60_050) is not None
    for at in (0, 100):
        driver.add(transform("map", CAMERA_FRAME, stamp(at), matrix=looking_at()), now=at)
    update = driver.step(50)
    assert update.first and driver.rejected == {RejectReason.TIME_JUMP: 2}


def test_transforms_of_the_other_run_are_forgotten_with_the_images():
    driver = Driver(posed=False)
    for at in range(50_000, 60_000, 100):
        driver.add(transform("map", CAMERA_FRAME, stamp(at), matrix=looking_at()), now=at)
    assert driver.step(59_850) is not None
    driver.send(55_050)
    assert not driver.poll(55_050)
    for at in (55_000, 55_100):
        driver.add(transform("map", CAMERA_FRAME, stamp(at), matrix=pose(2) @ looking_at()), now=at)
    update = driver.finish(55_100)
    assert update.scene.frame_from_camera[0, 3] == pytest.approx(2)


def test_a_pose_that_jumps_back_counts_as_the_first_of_the_new_run():
    driver = Driver(posed=False, pose_source="pose")
    for at in (60_000, 0):
        driver.add(PoseSample(stamp(at), "map", "", looking_at()), now=at)
    assert driver.rejected == {RejectReason.TIME_JUMP: 1}
    assert driver.step(0).frame_id == "map"


def test_a_frame_that_is_being_completed_is_dropped_when_time_jumps_back(driver):
    driver.send(60_000)
    driver.poll(60_000)
    frame = driver.take(60_000)
    driver.send(0)
    assert driver.session.complete(frame, stamp(0)) is None
    assert driver.session.update is None and driver.session.dropped == 1
    assert driver.finish(0).first


def test_a_reset_empties_the_map_and_ids_are_not_used_again(driver):
    driver.step(0)
    driver.send(100)
    driver.poll(100)
    emptied = driver.session.reset()
    assert emptied.objects == () and emptied.seen == frozenset() and emptied.scene.objects == ()
    assert {r.name for r in emptied.removed} == {"object_1", "object_2"}
    assert driver.take(100) is None and driver.session.update is None
    update = driver.step(200)
    assert update.first and update.removed == () and [k.id for k in update.objects] == [3, 4]


def test_a_reset_of_an_empty_map_publishes_nothing(driver):
    assert driver.session.reset() is None
    assert driver.step(0).first


def test_a_frame_that_is_being_completed_is_dropped_by_a_reset(driver):
    driver.step(0)
    driver.send(100)
    driver.poll(100)
    frame = driver.take(100)
    driver.session.reset()
    assert driver.session.complete(frame, stamp(100)) is None
    assert driver.session.update is None


def test_removals_by_a_jump_back_are_reported_even_after_a_reset(driver):
    driver.step(60_000)
    driver.send(0)
    assert driver.session.reset() is None
    assert {r.name for r in driver.step(100).removed} == {"object_1", "object_2"}
