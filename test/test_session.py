"""Decoded inputs in, the scene of now out: frames, limits, resets, jumps back in time, status."""

import gc
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_driver import Driver, centers, stamp, view
from session_inputs import CAMERA_FRAME, pose, transform
from table_scene import Thing, looking_at

from iscene_ros.demo import arc2017_observation
from iscene_ros.session.inputs import (
    ColorImage,
    DepthImage,
    Detection,
    Detections,
    InstanceImage,
    Intrinsics,
    PoseSample,
    TransformSample,
)
from iscene_ros.session.refusal import Reason


@pytest.fixture
def driver() -> Driver:
    return Driver()


def test_the_real_frame_becomes_an_update_of_the_world(driver):
    real = arc2017_observation()
    update = driver.step(0, real)
    assert (update.stamp_ns, update.frame_id, update.camera_frame) == (
        stamp(0),
        "map",
        CAMERA_FRAME,
    )
    assert [k.id for k in update.objects] == list(range(1, 9)) and update.first
    assert update.seen == set(range(1, 9)) and update.removed == () and update.skipped == ()
    assert update.scene.frame_id == "map" and update.scene.stamp == stamp(0) / 1e9
    assert update.scene.objects == tuple(k.item for k in update.objects)
    np.testing.assert_allclose(update.scene.frame_from_camera, looking_at(), atol=1e-12)
    assert update.observation.instance_ids == tuple(range(1, 9))
    assert update.observation.camera.is_rectified and update.observation.rgb is not None
    again = driver.step(100, real)
    assert not again.first and again.seen == update.seen
    assert driver.session.update is again and driver.session.completed == 2
    assert driver.refused == {} and driver.lines == []


def test_ids_of_the_frame_become_ids_of_the_world(driver):
    left, right = Thing(-0.1, 0), Thing(0.1, 0)
    driver.step(0, view([left, right]))
    update = driver.step(100, view([right, left]))
    assert update.observation.instance_ids == (2, 1)
    assert [o.id for o in update.scene.objects] == [2, 1]
    np.testing.assert_allclose(centers(update)[:, 0], (-0.1, 0.1), atol=0.02)


def test_detections_bring_classes_and_trackers():
    driver = Driver(detections="vision_msgs")
    masks = view().masks
    boxes = [
        np.array([c.mean(), r.mean(), np.ptp(c) + 1, np.ptp(r) + 1])
        for r, c in map(np.nonzero, masks)
    ]
    items = tuple(Detection("mug", 0.9, str(7 + i), box) for i, box in enumerate(boxes))
    driver.add(Detections(stamp(0), CAMERA_FRAME, items))
    update = driver.step(0)
    assert [(k.name, k.tracker_id) for k in update.objects] == [("mug_1", "7"), ("mug_2", "8")]


def test_an_instance_without_depth_is_skipped_with_an_id_of_its_own(driver):
    seen = view()
    depth = seen.depth.copy()
    depth[seen.masks[0]] = 0
    update = driver.step(0, seen, depth=depth)
    assert [s.id for s in update.skipped] == [2] and [k.id for k in update.objects] == [1]
    assert update.observation.instance_ids == (2, 1)


def test_polygons_of_detections_can_be_the_masks():
    driver = Driver(masks_from="detections", detections="yolo_msgs")
    polygon = np.array([[60, 50], [80, 50], [80, 70], [60, 70]], np.float64)
    items = (Detection("mug", 0.9, "5", None, polygon),)
    driver.add(Detections(stamp(0), CAMERA_FRAME, items))
    update = driver.step(0, without=[InstanceImage])
    assert [(k.name, k.tracker_id) for k in update.objects] == [("mug_1", "5")]
    assert driver.status(0).level == "ok"


def test_without_colour_nothing_waits_for_it():
    driver = Driver(use_rgb=False)
    update = driver.step(0, without=[ColorImage])
    assert update.observation.rgb is None and len(update.objects) == 2


def test_a_frame_without_instances_is_an_empty_view(driver):
    update = driver.step(0, view([]))
    assert update.objects == () and update.observation.masks.shape[0] == 0 and update.first
    assert driver.refused == {}


def test_a_taken_away_object_is_told_as_removed_once():
    driver = Driver(forget_after=2)
    driver.step(0)
    updates = [driver.step(100 * i, view([Thing(0.1, 0)])) for i in (1, 2, 3)]
    assert [[r.name for r in u.removed] for u in updates] == [[], ["object_1"], []]


@pytest.mark.parametrize("limit", [{"min_pixels": 10**6}, {"max_instances": 1}])
def test_an_instance_that_is_left_out_keeps_its_object_alive(limit):
    driver = Driver(forget_after=1)
    driver.step(0)
    driver.session.settings = driver.session.settings.changed(limit)
    for i in range(1, 4):
        update = driver.step(100 * i)
        assert update.removed == () and len(update.seen) < 2 and len(update.objects) == 2
    assert len(driver.step(500, view([])).removed) == 2


def test_the_newest_frame_wins_and_the_others_are_counted(driver):
    for i in range(10):
        driver.send(33 * i)
        driver.poll(33 * i)
    assert driver.take(300).stamp_ns == stamp(297) and driver.session.dropped == 9
    assert driver.take(300) is None


def test_on_demand_nothing_is_dropped():
    driver = Driver(mode="on_demand")
    for i in range(10):
        driver.send(33 * i)
        driver.poll(33 * i)
    assert driver.take(300).stamp_ns == stamp(297) and driver.session.dropped == 0


def test_a_frame_that_waited_too_long_is_refused(driver):
    driver.send(0)
    assert driver.poll(0) and driver.take(2001) is None
    assert driver.refused == {Reason.TOO_OLD: 1} and "max_age" in driver.lines[0]
    driver.send(2100)
    assert driver.finish(2100 + 2000) is not None


def test_any_age_will_do_where_max_age_is_zero():
    driver = Driver(max_age=0)
    driver.send(0)
    driver.poll(0)
    assert driver.finish(10**7) is not None


def test_parameters_that_change_hold_for_the_next_frame(driver):
    driver.step(0)
    driver.session.settings = driver.session.settings.changed({"min_pixels": 10**6})
    update = driver.step(100)
    assert update.seen == frozenset() and "min_pixels" in update.observation.warnings[0]


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"depth": np.ones((60, 80), np.float32)}, Reason.SIZE),
        ({"ids": np.ones((60, 80), np.int32)}, Reason.SIZE),
        ({"rgb": np.ones((60, 80, 3), np.uint8)}, Reason.SIZE),
        ({"depth": np.zeros((120, 160), np.float32)}, Reason.OBSERVATION),
        ({"depth": np.full((120, 160), 700, np.float32)}, Reason.OBSERVATION),
    ],
)
def test_a_frame_that_cannot_be_used_is_counted_and_the_next_one_completes(driver, changes, reason):
    before = driver.step(0)
    assert driver.step(100, **changes) is None
    assert driver.refused == {reason: 1} and len(driver.lines) == 1
    assert driver.session.update is before
    assert driver.step(200).seen == {1, 2}


def test_camera_info_is_waited_for_a_little(driver):
    seen = view()
    driver.send(0, seen, without=[Intrinsics])
    assert not driver.poll(0) and not driver.poll(100)
    driver.add(Intrinsics(stamp(0), CAMERA_FRAME, seen.camera))
    assert driver.finish(150) is not None and driver.refused == {}


def test_without_camera_info_frames_are_refused(driver):
    driver.send(0, without=[Intrinsics])
    assert not driver.poll(0) and not driver.poll(201)
    assert driver.refused == {Reason.INTRINSICS: 1} and "camera_info" in driver.lines[0]


@pytest.mark.parametrize("kind", [ColorImage, DepthImage, InstanceImage, Intrinsics])
def test_stamps_from_the_future_are_refused(driver, kind):
    for message in _messages_of(kind, 60_000):
        driver.add(message, now=0)
    assert driver.refused == {Reason.FUTURE: 1} and "60.0 s in the future" in driver.lines[0]
    assert driver.step(100) is not None


def _messages_of(kind, at):
    from session_inputs import frame_messages

    return [m for m in frame_messages(view(), stamp(at)) if isinstance(m, kind)]


@pytest.mark.parametrize("first", [ColorImage, DepthImage, InstanceImage])
def test_after_a_jump_back_in_time_the_first_frame_of_the_new_run_completes(first):
    driver = Driver()
    for i in range(3):
        old = driver.step(60_000 + 100 * i)
    assert {k.name for k in old.objects} == {"object_1", "object_2"}
    messages = sorted(_messages_of(object, 0), key=lambda m: not isinstance(m, first))
    driver.add(*messages, now=0)
    assert driver.refused == {Reason.TIME_JUMP: 1}
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
    assert update.first and driver.refused == {Reason.TIME_JUMP: 2}


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
    assert driver.refused == {Reason.TIME_JUMP: 1}
    assert driver.step(0).frame_id == "map"


def test_a_frame_in_work_is_dropped_when_time_jumps_back(driver):
    driver.send(60_000)
    driver.poll(60_000)
    frame = driver.take(60_000)
    driver.send(0)
    assert driver.session.complete(frame, stamp(0)) is None
    assert driver.session.update is None and driver.session.dropped == 1
    assert driver.finish(0).first


def test_a_reset_empties_the_world_and_ids_are_not_used_again(driver):
    driver.step(0)
    driver.send(100)
    driver.poll(100)
    emptied = driver.session.reset()
    assert emptied.objects == () and emptied.seen == frozenset() and emptied.scene.objects == ()
    assert {r.name for r in emptied.removed} == {"object_1", "object_2"}
    assert driver.take(100) is None and driver.session.update is None
    update = driver.step(200)
    assert update.first and update.removed == () and [k.id for k in update.objects] == [3, 4]


def test_a_reset_of_nothing_tells_nothing(driver):
    assert driver.session.reset() is None
    assert driver.step(0).first


def test_a_frame_in_work_is_dropped_by_a_reset(driver):
    driver.step(0)
    driver.send(100)
    driver.poll(100)
    frame = driver.take(100)
    driver.session.reset()
    assert driver.session.complete(frame, stamp(100)) is None
    assert driver.session.update is None


def test_what_a_jump_back_removed_is_told_even_after_a_reset(driver):
    driver.step(60_000)
    driver.send(0)
    assert driver.session.reset() is None
    assert {r.name for r in driver.step(100).removed} == {"object_1", "object_2"}


@pytest.mark.parametrize("lack", ["nothing", "depth", "rgb", "masks", "camera_info", "transform"])
def test_two_thousand_frames_that_nobody_takes_fill_nothing(lack):
    kinds = {"depth": DepthImage, "rgb": ColorImage, "masks": InstanceImage}
    kinds["camera_info"] = Intrinsics
    driver = Driver(posed=lack != "transform", queue_size=10)
    messages = [m for m in _messages_of(object, 0) if not isinstance(m, kinds.get(lack, ()))]
    for i in range(2000):
        at = 33 * i
        driver.add(transform("base", "hand", stamp(at)), now=at)
        driver.add(*(replace(m, stamp_ns=stamp(at)) for m in messages), now=at)
        driver.poll(at)
    gc.collect()
    alive = [o for o in gc.get_objects() if isinstance(o, (DepthImage, TransformSample))]
    assert len(alive) <= 4 * 10
    reason = {"nothing": None, "camera_info": Reason.INTRINSICS, "transform": Reason.NO_TRANSFORM}
    expected = reason.get(lack, Reason.UNSYNCHRONISED if lack != "masks" else None)
    assert set(driver.refused) == ({expected} if expected else set())
    # One line in five seconds.
    assert len(driver.lines) <= 2000 * 0.033 / 5 + 1
    # What was missing comes, and the next frames complete.
    driver.add(transform("map", CAMERA_FRAME, static=True, matrix=looking_at()), now=66_000)
    assert driver.step(66_100) is not None


def test_frames_that_nobody_polls_fill_nothing():
    driver = Driver(queue_size=10)
    messages = _messages_of(object, 0)
    for i in range(500):
        driver.add(*(replace(m, stamp_ns=stamp(33 * i)) for m in messages), now=33 * i)
    assert sum(isinstance(o, InstanceImage) for o in gc.get_objects()) <= 2 * 11 + 4
    assert driver.poll(33 * 500)


def test_one_thread_may_add_while_another_completes():
    driver, updates = Driver(posed=False, transform_timeout=0), []
    driver.add(transform("map", CAMERA_FRAME, stamp(0), matrix=looking_at()))
    stop = threading.Event()

    def complete() -> None:
        while not stop.is_set():
            frame = driver.take(0)
            if frame is not None:
                updates.append(driver.session.complete(frame, 0))

    worker = threading.Thread(target=complete)
    worker.start()
    for i in range(1, 150):
        driver.add(transform("map", CAMERA_FRAME, stamp(10 * i), matrix=looking_at()), now=10 * i)
        driver.send(10 * i)
        driver.poll(10 * i)
        driver.status(10 * i)
        time.sleep(0.002)
    stop.set()
    worker.join()
    assert len(updates) >= 3 and all(u.seen == {1, 2} for u in updates)
    stamps = [u.stamp_ns for u in updates]
    assert stamps == sorted(stamps) and driver.refused == {}
    assert driver.session.dropped + len(updates) >= 148


def test_lines_are_one_a_reason_in_five_seconds_and_have_no_breaks(driver):
    for i in range(200):
        driver.session.refuse(Reason.ENCODING, f"rgb: line\none {i}", stamp(100 * i))
        driver.session.refuse(Reason.STAMP, "depth: zero", stamp(100 * i))
    assert driver.refused == {Reason.ENCODING: 200, Reason.STAMP: 200}
    assert len(driver.lines) == 8
    assert driver.lines[2] == "refused (encoding): rgb: line one 50"


KINDS = [ColorImage, DepthImage, InstanceImage, Intrinsics, TransformSample, PoseSample]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(-9000, 9000), st.integers(0, 2)), max_size=40
    ),
    st.sampled_from(["tf", "pose"]),
    st.booleans(),
)  # fmt: skip
def test_no_order_of_inputs_raises_and_the_next_good_frame_completes(inputs, source, completes):
    driver = Driver(posed=source == "tf", pose_source=source, queue_size=4)
    names, seen = ("map", "odom", CAMERA_FRAME), view([Thing(0, 0)])
    for kind, at, name in inputs:
        now = max(at, 0)
        if KINDS[kind] is TransformSample:
            driver.add(transform(names[name], names[name - 1], stamp(at), matrix=pose(1)), now=now)
        elif KINDS[kind] is PoseSample:
            driver.add(PoseSample(stamp(at), names[name], "", looking_at()), now=now)
        else:
            without = [k for k in KINDS[:4] if k is not KINDS[kind]]
            driver.send(at, seen, without=without)
        if completes:
            driver.finish(now)
        driver.status(now)
    last = 100_000
    for at in (last, last + 100):
        driver.add(transform("map", CAMERA_FRAME, stamp(at), matrix=looking_at()), now=at)
        driver.add(PoseSample(stamp(at), "map", "", looking_at()), now=at)
    driver.send(last + 50, seen)
    assert driver.finish(last + 400) is not None


def test_the_status_tells_what_is_missing_and_then_how_it_goes():
    driver = Driver(posed=False, transform_timeout=0)
    assert driver.status().level == "warn"
    assert "instances, depth, rgb, camera_info" in driver.status().summary
    driver.step(0)
    status = driver.status(0)
    assert (
        status.level == "warn"
        and "map" in status.summary
        and "no frame completed" in status.summary
    )
    assert ("refused: no transform", "1") in status.values
    driver.add(transform("map", CAMERA_FRAME, static=True, matrix=looking_at()))
    driver.step(100)
    status = driver.status(200)
    assert (status.level, status.summary) == ("ok", "2 objects")
    values = dict(status.values)
    assert values["completed frames"] == "1" and values["scene age [s]"] == "0.100"
    assert values["frame"] == "map"


def test_the_status_warns_of_a_scene_that_no_frame_renews():
    driver = Driver(rate=0.1)
    driver.step(0)
    assert driver.status(14_000).level == "ok"
    driver.step(14_000, depth=np.zeros((120, 160), np.float32))
    status = driver.status(20_000)
    assert status.level == "warn" and "20 s old" in status.summary and "depth" in status.summary
    asked = Driver(mode="on_demand")
    asked.step(0)
    assert asked.status(10**6).level == "ok"
