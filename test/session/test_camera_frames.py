"""Messages of one camera go together, those of different cameras never, whatever their stamps."""

from dataclasses import replace

import numpy as np
import pytest
from fake_completer import FakeCompleter
from session_driver import Driver, stamp, view
from session_inputs import CAMERA_FRAME, frame_messages, pose, transform
from table_scene import looking_at

from iscene_ros.session.inputs import DepthImage, Intrinsics
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.session import SceneSession

DEPTH_FRAME = "camera_depth_optical_frame"


def of_frame(observation, at: float, frame_id: str, depth: float = 1.0):
    """The messages of one camera, its depth multiplied by a factor."""
    for message in frame_messages(observation, stamp(at), frame_id):
        is_depth = isinstance(message, DepthImage)
        yield replace(message, depth=message.depth * depth) if is_depth else message


def test_depth_of_a_frame_that_lies_apart_in_tf_is_refused_with_the_way_out():
    driver = Driver()
    driver.add(transform(CAMERA_FRAME, DEPTH_FRAME, static=True, matrix=pose(x=-0.05)))
    for at in (0, 100):
        driver.send(at, without=[DepthImage])
        driver.add(*(m for m in of_frame(view(), at, DEPTH_FRAME) if isinstance(m, DepthImage)))
        assert driver.finish(at) is None
    assert driver.finish(300) is None
    assert driver.rejected == {RejectReason.FRAME: 2}
    assert "lies 50 mm from" in driver.lines[0] and "register node" in driver.lines[0]
    assert driver.step(400) is not None


def test_a_frame_that_comes_to_tf_after_the_images_is_compared_too():
    driver = Driver(posed=False)
    driver.send(0, without=[DepthImage])
    driver.add(*(m for m in of_frame(view(), 0, DEPTH_FRAME) if isinstance(m, DepthImage)))
    assert not driver.poll(50)
    driver.add(transform(CAMERA_FRAME, DEPTH_FRAME, static=True, matrix=pose(x=-0.05)))
    driver.add(transform("map", CAMERA_FRAME, static=True, matrix=looking_at()))
    assert driver.finish(60) is None and driver.rejected == {RejectReason.FRAME: 1}


def test_two_frames_with_one_centre_are_one_camera():
    driver = Driver()
    driver.add(
        transform(CAMERA_FRAME, "camera_color_frame", static=True, matrix=pose(turn=(90, 0, 0)))
    )
    driver.send(0, without=[DepthImage], frame_id="camera_color_frame")
    driver.add(*(m for m in of_frame(view(), 0, CAMERA_FRAME) if isinstance(m, DepthImage)))
    assert driver.finish(31) is not None and not driver.session.warnings.counts


def test_frames_that_tf_does_not_connect_are_told_once_and_counted():
    driver = Driver()
    for at in (0, 100, 200):
        driver.send(at, without=[DepthImage], frame_id="mask_camera")
        driver.add(*(m for m in of_frame(view(), at, CAMERA_FRAME) if isinstance(m, DepthImage)))
        assert driver.finish(at + 31) is not None
    lines = [line for line in driver.lines if line.startswith("warning: frames: ")]
    assert len(lines) == 1 and "mask_camera" in lines[0] and "TF does not connect" in lines[0]
    values = dict(driver.status(300).values)
    assert values["warning: frames"] == "3" and "mask_camera" in values["newest warning"]


@pytest.mark.parametrize("known_to_tf", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_two_cameras_on_the_same_topics_are_kept_apart(known_to_tf, order):
    driver = Driver(posed=False)
    driver.session = SceneSession(driver.session.settings, FakeCompleter(), in_order=True)
    for name, x in (("left", 0.0), ("right", 0.3)):
        connected = known_to_tf or name == "left"
        parent = "map" if connected else "elsewhere"
        matrix = pose(x=x) @ looking_at()
        driver.add(transform(parent, name, static=True, matrix=matrix))
    seen = {}
    for at in (0, 100, 200):
        frames = [of_frame(view(), at, "left"), of_frame(view(), at, "right", depth=1.1)]
        for messages in zip(*frames[::order], strict=True):
            driver.add(*messages, now=at)
        while driver.poll(at + 31):
            taken = driver.take(at + 31)
            assert taken.inputs.depth.frame_id == taken.inputs.instances.frame_id
            assert taken.intrinsics.frame_id == taken.inputs.depth.frame_id
            seen[taken.camera_frame] = float(np.max(taken.inputs.depth.depth))
    assert "left" in seen and (not known_to_tf or "right" in seen)
    if known_to_tf:
        assert seen["right"] == pytest.approx(1.1 * seen["left"])


def test_the_frame_of_the_images_can_be_set():
    driver = Driver(camera_frame=CAMERA_FRAME)
    for message in of_frame(view(), 0, "camera_link"):
        driver.add(message)
    update = driver.finish(0)
    assert update.camera_frame == CAMERA_FRAME and not driver.session.warnings.counts


def test_calibrations_of_damaged_names_do_not_pile_up():
    driver = Driver()
    camera = view().camera
    for number in range(200):
        driver.add(Intrinsics(stamp(0), f"frame {number}", camera))
    assert len(driver.session.frames._cameras._calibrations) <= 16
    assert driver.step(100) is not None


def test_no_message_and_only_refused_ones_are_told_apart():
    driver = Driver()
    assert "no message yet: instances, depth, rgb, camera_info" in driver.status(0).summary
    driver.session.reject(RejectReason.INTRINSICS, "camera_info: K is all zero", stamp(0))
    driver.session.reject(RejectReason.ENCODING, "depth_compressed: RVL", stamp(0))
    summary = driver.status(0).summary
    assert "no message yet: instances, rgb" in summary
    assert "camera_info: all refused: K is all zero" in summary
    assert "depth: all refused: RVL" in summary
    driver.send(0, without=[Intrinsics])
    driver.poll(0)
    driver.poll(6000)
    assert "camera_info: all refused: K is all zero" in driver.lines[-1]
