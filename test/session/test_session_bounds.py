"""Inputs in any order and from two threads: queues stay bounded and nothing raises."""

import gc
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_driver import Driver, messages_of, stamp, view
from session_inputs import CAMERA_FRAME, pose, transform
from table_scene import Thing, looking_at

from iscene_ros.session.inputs import (
    ColorImage,
    DepthImage,
    InstanceImage,
    Intrinsics,
    PoseSample,
    TransformSample,
)
from iscene_ros.session.rejection import RejectReason


@pytest.mark.parametrize("lack", ["nothing", "depth", "rgb", "masks", "camera_info", "transform"])
def test_frames_that_are_never_taken_do_not_accumulate(lack):
    kinds = {"depth": DepthImage, "rgb": ColorImage, "masks": InstanceImage}
    kinds["camera_info"] = Intrinsics
    driver = Driver(posed=lack != "transform", queue_size=10)
    messages = [m for m in messages_of(object, 0) if not isinstance(m, kinds.get(lack, ()))]
    for i in range(2000):
        at = 33 * i
        driver.add(transform("base", "hand", stamp(at)), now=at)
        driver.add(*(replace(m, stamp_ns=stamp(at)) for m in messages), now=at)
        driver.poll(at)
    gc.collect()
    alive = [o for o in gc.get_objects() if type(o) in (DepthImage, TransformSample)]
    assert len(alive) <= 4 * 10
    reason = {
        "nothing": None,
        "camera_info": RejectReason.INTRINSICS,
        "transform": RejectReason.NO_TRANSFORM,
    }
    expected = reason.get(lack, RejectReason.UNSYNCHRONISED if lack != "masks" else None)
    assert set(driver.rejected) == ({expected} if expected else set())
    # One line in five seconds.
    assert len(driver.lines) <= 2000 * 0.033 / 5 + 1
    # What was missing comes, and the next frames complete.
    driver.add(transform("map", CAMERA_FRAME, static=True, matrix=looking_at()), now=66_000)
    assert driver.step(66_100) is not None


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
    assert stamps == sorted(stamps) and driver.rejected == {}
    assert driver.session.dropped + len(updates) >= 148


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
