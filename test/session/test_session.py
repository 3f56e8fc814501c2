"""The session: frames, rejected inputs, limits, status."""

import numpy as np
import pytest
from session_driver import Driver, centers, messages_of, stamp, view
from session_inputs import CAMERA_FRAME, MS, START_NS, transform
from table_scene import Thing, looking_at

from iscene_ros.core.camera import Camera
from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.session.inputs import (
    ColorImage,
    DepthImage,
    Detection,
    Detections,
    InstanceImage,
    Intrinsics,
)
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.synchronizer import SyncedInputs


@pytest.fixture
def driver() -> Driver:
    return Driver()


def test_the_real_frame_becomes_an_update_of_the_map(driver):
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
    assert driver.rejected == {} and driver.lines == []


def test_ids_of_the_frame_become_ids_of_the_map(driver):
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


def test_without_colour_nothing_waits_for_it():
    driver = Driver(use_rgb=False)
    update = driver.step(0, without=[ColorImage])
    assert update.observation.rgb is None and len(update.objects) == 2


def test_a_removed_object_is_reported_once():
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
    assert driver.rejected == {RejectReason.TOO_OLD: 1} and "max_age" in driver.lines[0]
    driver.send(2100)
    assert driver.finish(2100 + 2000) is not None


def test_any_age_will_do_where_max_age_is_zero():
    driver = Driver(max_age=0)
    driver.send(0)
    driver.poll(0)
    assert driver.finish(10**7) is not None


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"depth": np.ones((60, 80), np.float32)}, RejectReason.SIZE),
        ({"depth": np.zeros((120, 160), np.float32)}, RejectReason.OBSERVATION),
    ],
)
def test_a_frame_that_cannot_be_used_is_counted_and_the_next_one_completes(driver, changes, reason):
    before = driver.step(0)
    assert driver.step(100, **changes) is None
    assert driver.rejected == {reason: 1} and len(driver.lines) == 1
    assert driver.session.update is before
    assert driver.step(200).seen == {1, 2}


def test_camera_info_is_waited_for_a_little(driver):
    seen = view()
    driver.send(0, seen, without=[Intrinsics])
    assert not driver.poll(0) and not driver.poll(100)
    driver.add(Intrinsics(stamp(0), CAMERA_FRAME, seen.camera))
    assert driver.finish(150) is not None and driver.rejected == {}


def test_without_camera_info_frames_are_refused(driver):
    driver.send(0, without=[Intrinsics])
    assert not driver.poll(0) and not driver.poll(201)
    assert driver.rejected == {RejectReason.INTRINSICS: 1} and "camera_info" in driver.lines[0]


@pytest.mark.parametrize("kind", [ColorImage, DepthImage, InstanceImage, Intrinsics])
def test_stamps_from_the_future_are_refused(driver, kind):
    driver.add(*messages_of(kind, 60_000), now=0)
    assert driver.rejected == {RejectReason.FUTURE: 1} and "60.0 s in the future" in driver.lines[0]
    assert driver.step(100) is not None


def test_the_status_names_missing_inputs_and_then_the_state():
    driver = Driver(posed=False, transform_timeout=0)
    assert driver.status().level == "warn"
    assert "instances, depth, rgb, camera_info" in driver.status().summary
    driver.step(0)
    status = driver.status(0)
    assert status.level == "warn" and status.summary.startswith("no transform: transform: none of")
    assert "map" in status.summary and status.summary.endswith("; 1 of 1 frames refused")
    assert ("rejected: no transform", "1") in status.values
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
    on_demand = Driver(mode="on_demand")
    on_demand.step(0)
    assert on_demand.status(10**6).level == "ok"


def test_a_repeated_calibration_keeps_the_cached_rectification():
    driver = Driver()
    camera = Camera(8, 6, np.array([[5.0, 0, 4], [0, 5, 3], [0, 0, 1]]), np.full(5, 0.01))
    kept = []
    for at in (START_NS, START_NS + MS):
        again = Camera(camera.width, camera.height, camera.k.copy(), camera.d.copy())
        driver.session.add(Intrinsics(at, "cam", again), at)
        depth = DepthImage(at, "cam", np.ones((6, 8), np.float32))
        kept.append(driver.session.frames._cameras.calibration(SyncedInputs(depth)))
    assert kept[1].camera is kept[0].camera and kept[1].stamp_ns == START_NS + MS


def test_a_name_that_tf_knows_is_given_to_no_object_and_the_camera_stays():
    driver = Driver(posed=False)
    driver.add(transform("map", "object_1", static=True, matrix=looking_at()))
    driver.add(transform("object_1", CAMERA_FRAME, static=True))
    first = driver.step(0)
    assert [k.name for k in first.objects] == ["object_2", "object_3"]
    assert [k.id for k in first.objects] == [2, 3]


def test_what_the_session_broadcasts_does_not_come_back_as_a_frame_of_others():
    driver = Driver()
    first = driver.step(0)
    for known in first.objects:
        pose = known.item.frame_from_object
        driver.add(transform("map", known.name, stamp(0), matrix=pose))
    driver.session.reset()
    second = driver.step(100)
    assert [k.name for k in second.objects] == ["object_3", "object_4"]
    assert "object_1" not in driver.session._poses.transforms.frames()


def test_a_frame_that_others_move_below_another_parent_is_theirs():
    driver = Driver()
    driver.step(0)
    driver.add(transform("gripper", "object_1", stamp(0)))
    assert "object_1" in driver.session._poses.transforms.frames()
