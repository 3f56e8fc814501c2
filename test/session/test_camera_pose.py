"""Camera poses: waiting for TF, fallback frames, change of the output frame, pose topics."""

import numpy as np
import pytest
from session_driver import Driver, centers, messages_of, stamp
from session_inputs import CAMERA_FRAME, pose, transform
from table_scene import looking_at

from iscene_ros.session.inputs import DepthImage, PoseSample
from iscene_ros.session.rejection import RejectReason

LOOKING = looking_at()
MAP_FROM_ODOM = pose(5, 0, 0, (0, 0, 90))


def tf(parent, child, at=None, matrix=None):
    """A transform of a time [ms], or a static one."""
    if at is None:
        return transform(parent, child, static=True, matrix=matrix)
    return transform(parent, child, stamp(at), matrix=matrix)


def unposed(**parameters) -> Driver:
    return Driver(posed=False, **parameters)


def test_a_missing_transform_is_waited_for_then_refused_and_counted():
    driver = unposed(transform_timeout=0.2)
    driver.send(0)
    assert not driver.poll(0) and not driver.poll(199) and driver.rejected == {}
    assert not driver.poll(200)
    assert driver.rejected == {RejectReason.NO_TRANSFORM: 1}
    line = driver.lines[0]
    assert "map, odom, base_link" in line and CAMERA_FRAME in line and "check TF" in line


def test_refusals_are_logged_once_in_five_seconds_and_counted_always():
    driver = unposed(transform_timeout=0)
    for i in range(90):
        driver.step(100 * i)
        driver.session.reject(RejectReason.ENCODING, f"rgb: line\none {i}", stamp(100 * i))
    assert driver.rejected == {RejectReason.NO_TRANSFORM: 90, RejectReason.ENCODING: 90}
    assert len(driver.lines) == 4 and not any("\n" in line for line in driver.lines)
    assert driver.lines[3] == "rejected (encoding): rgb: line one 50"
    driver.add(tf("map", CAMERA_FRAME))
    assert driver.step(9100) is not None


def test_a_transform_that_comes_in_time_is_used_at_the_stamp_of_the_depth():
    driver = unposed()
    driver.add(tf("map", CAMERA_FRAME, 0, LOOKING))
    driver.send(50)
    assert not driver.poll(60)
    driver.add(tf("map", CAMERA_FRAME, 100, pose(0.1) @ LOOKING), now=110)
    update = driver.finish(110)
    assert update.scene.frame_from_camera[0, 3] == pytest.approx(0.05)


def test_the_pose_is_that_of_the_depth_and_not_of_masks_a_little_later():
    driver = unposed()
    for at, x in ((0, 0.0), (100, 0.1)):
        driver.add(tf("map", CAMERA_FRAME, at, pose(x) @ LOOKING))
    driver.send(40, without=[DepthImage])
    driver.add(*messages_of(DepthImage, 20))
    update = driver.finish(200)
    assert update.stamp_ns == stamp(40)
    assert update.scene.frame_from_camera[0, 3] == pytest.approx(0.02)


def test_after_the_wait_a_pose_within_the_tolerance_will_do():
    driver = unposed(transform_timeout=0.2, transform_tolerance=0.1)
    driver.add(tf("map", CAMERA_FRAME, 0, LOOKING))
    driver.send(100)
    assert not driver.poll(100) and not driver.poll(299)
    assert driver.finish(300) is not None
    driver.send(200)
    assert not driver.poll(200) and not driver.poll(400) and driver.rejected == {}
    assert driver.finish(2201) is None
    assert driver.rejected == {RejectReason.LATE_TRANSFORM: 1} and "0.20 s older" in driver.lines[0]


def test_a_transform_that_cannot_come_is_not_waited_for():
    driver = unposed(transform_timeout=5, transform_tolerance=0.1)
    driver.add(tf("map", CAMERA_FRAME, 150, LOOKING), now=150)
    assert driver.step(60) is not None
    assert driver.step(40) is None
    assert driver.rejected == {RejectReason.NO_TRANSFORM: 1} and "0.11 s newer" in driver.lines[0]


def test_a_fallback_frame_stands_in_after_one_wait_and_the_status_says_so():
    driver = unposed()
    driver.add(tf("odom", CAMERA_FRAME, None, LOOKING))
    driver.send(0)
    assert not driver.poll(0) and not driver.poll(199)
    assert driver.finish(200).frame_id == "odom"
    assert driver.step(300).frame_id == "odom"
    status = driver.status(400)
    assert status.level == "warn" and status.summary == "map unknown to TF; outputs are in odom"


def test_the_first_connected_fallback_frame_is_taken():
    driver = unposed(fallback_frames=["lost", "base_link", "odom"], transform_timeout=0)
    driver.add(tf("odom", "base_link"), tf("base_link", CAMERA_FRAME, None, LOOKING))
    assert driver.step(0).frame_id == "base_link"


def test_a_late_fallback_frame_is_waited_for_and_not_exchanged_for_the_next():
    driver = unposed()
    driver.add(tf("base_link", CAMERA_FRAME, None, LOOKING))
    frames = []
    for i in range(5):
        at = 100 * i
        driver.send(at)
        driver.poll(at)
        driver.add(tf("odom", "base_link", at, pose(0.1 * i)), now=at + 10)
        update = driver.finish(at + 10) or driver.finish(at + 200)
        frames.append(update.frame_id)
    assert frames == ["odom"] * 5


def test_when_the_world_frame_comes_the_objects_are_taken_along():
    driver = unposed(transform_timeout=0)
    driver.add(tf("odom", CAMERA_FRAME, None, LOOKING))
    before = driver.step(0)
    driver.add(tf("map", "odom", None, MAP_FROM_ODOM))
    after = driver.step(100)
    assert (before.frame_id, after.frame_id) == ("odom", "map")
    assert [k.name for k in after.objects] == [k.name for k in before.objects]
    assert after.seen == before.seen and after.removed == () and not after.first
    moved = centers(before) @ MAP_FROM_ODOM[:3, :3].T + MAP_FROM_ODOM[:3, 3]
    np.testing.assert_allclose(centers(after), moved, atol=0.01)
    assert driver.status(100).level == "ok"


def test_after_a_jump_back_the_world_frame_is_waited_for_again():
    driver = unposed()
    driver.add(tf("odom", CAMERA_FRAME, None, LOOKING))
    driver.send(60_000)
    driver.poll(60_000)
    assert driver.finish(60_200).frame_id == "odom"
    driver.add(tf("map", "odom", 60_300), now=60_300)
    assert driver.step(60_300).frame_id == "map"
    driver.send(0)
    assert not driver.poll(0)
    driver.add(tf("map", "odom", 0))
    assert driver.finish(10).frame_id == "map"


def test_objects_out_of_view_are_taken_along_from_where_they_were_last_seen():
    driver = unposed(transform_timeout=0, fallback_frames=["base_link"])
    driver.add(tf("base_link", CAMERA_FRAME, None, LOOKING))
    before = driver.step(0)
    # The robot drives on and turns away, while nothing but its base is known ...
    for at, x in ((0, 5.0), (1000, 7.0)):
        driver.add(tf("map", "base_link", at, pose(x, 0, 0, (0, 0, 0))), now=1000)
    # ... and only then learns where it was.
    after = driver.step(1000)
    assert after.frame_id == "map" and len(after.objects) == 4
    np.testing.assert_allclose(centers(after)[:2], centers(before) + (5, 0, 0), atol=1e-6)


def test_objects_are_lost_where_no_transform_leads_to_the_new_frame():
    driver = unposed(transform_timeout=0)
    driver.add(tf("odom", "base_link"), tf("base_link", CAMERA_FRAME, None, LOOKING))
    assert driver.step(0).frame_id == "odom"
    driver.add(tf("map", "base_link"))
    update = driver.step(100)
    assert update.frame_id == "map" and len(update.removed) == 2
    assert [k.id for k in update.objects] == [3, 4]


@pytest.mark.parametrize(
    "parameters", [{"world_frame": CAMERA_FRAME}, {"fallback_frames": [CAMERA_FRAME]}]
)
def test_in_the_cameras_own_frame_there_is_no_pose_and_no_gravity(parameters):
    driver = unposed(transform_timeout=0, **parameters)
    update = driver.step(0)
    assert update.frame_id == update.camera_frame == update.scene.frame_id == CAMERA_FRAME
    assert update.observation.world_from_camera is None
    assert update.observation.gravity_camera is None
    np.testing.assert_array_equal(update.scene.frame_from_camera, np.eye(4))


def test_a_pose_topic_gives_the_cameras_pose_between_two_messages():
    driver = unposed(pose_source="pose")
    driver.add(PoseSample(stamp(0), "map", "", LOOKING))
    driver.send(50)
    assert not driver.poll(60)
    driver.add(PoseSample(stamp(100), "map", "", pose(0.1) @ LOOKING), now=110)
    update = driver.finish(110)
    assert update.frame_id == "map"
    assert update.scene.frame_from_camera[0, 3] == pytest.approx(0.05)


def test_without_a_message_of_the_pose_topic_frames_are_refused():
    driver = unposed(pose_source="pose")
    driver.add(tf("map", CAMERA_FRAME))
    driver.send(0)
    driver.poll(0)
    driver.poll(500)
    assert driver.rejected == {RejectReason.NO_TRANSFORM: 1}
    assert "camera_pose: no message yet" in driver.lines[0]


def test_odometry_of_the_base_and_a_static_mount_give_the_cameras_pose():
    driver = unposed(pose_source="odometry", world_frame="odom")
    driver.add(tf("base_link", CAMERA_FRAME, None, LOOKING))
    for at, x in ((0, 1.0), (100, 2.0)):
        driver.add(PoseSample(stamp(at), "odom", "base_link", pose(x, 0, 0, (0, 0, 90))), now=100)
    update = driver.step(50)
    expected = pose(1.5, 0, 0, (0, 0, 90)) @ LOOKING
    np.testing.assert_allclose(update.scene.frame_from_camera, expected, atol=1e-9)


def test_a_pose_topic_in_another_frame_reaches_the_world_by_tf():
    driver = unposed(pose_source="pose", transform_timeout=0)
    driver.add(PoseSample(stamp(0), "odom", "", LOOKING))
    assert driver.step(0).frame_id == "odom"
    driver.add(tf("map", "odom", None, MAP_FROM_ODOM))
    update = driver.step(0)
    assert update.frame_id == "map"
    np.testing.assert_allclose(update.scene.frame_from_camera, MAP_FROM_ODOM @ LOOKING, atol=1e-9)


def test_a_pose_topic_and_tf_may_both_know_the_camera():
    driver = unposed(pose_source="pose")
    driver.add(tf("gripper", CAMERA_FRAME), tf("map", "gripper", None, pose(9)))
    driver.add(PoseSample(stamp(0), "map", "", LOOKING))
    np.testing.assert_allclose(driver.step(0).scene.frame_from_camera, LOOKING, atol=1e-12)


def test_a_late_pose_of_the_topic_does_not_bring_a_fallback_frame():
    driver = unposed(pose_source="pose", transform_timeout=0, transform_tolerance=0.05)
    driver.add(tf("map", "odom"), tf("odom", CAMERA_FRAME, None, LOOKING))
    driver.add(PoseSample(stamp(0), "map", "", LOOKING))
    assert driver.step(0).frame_id == "map"
    assert driver.step(100) is None and driver.finish(2101) is None
    assert driver.rejected == {RejectReason.LATE_TRANSFORM: 1}
