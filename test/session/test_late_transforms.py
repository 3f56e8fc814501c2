"""Transforms later than `transform_timeout`: frames are completed, and the reason is said."""

import numpy as np
import pytest
from session_driver import Driver, stamp
from session_inputs import CAMERA_FRAME, transform
from table_scene import looking_at

from iscene_ros.session.rejection import RejectReason

PERIOD = 50  # [ms]


def run(driver: Driver, lag: float, frames: int) -> list[tuple[float, float]]:
    """Send frames whose transforms lag behind [ms]; return (stamp, time) of the completed ones."""
    completed = []
    for at in range(0, frames * PERIOD, PERIOD):
        pose = transform("map", CAMERA_FRAME, stamp(at - lag), matrix=looking_at())
        driver.add(pose, now=at)
        update = driver.step(at)
        if update is not None:
            completed.append(((update.stamp_ns - stamp(0)) / 1e6, at))
    return completed


@pytest.mark.parametrize("lag", [0, 100, 700, 1900])
def test_frames_complete_as_long_as_their_transforms_come_before_max_age(lag):
    driver = Driver(posed=False)
    completed = run(driver, lag, 200)
    assert len(completed) >= 4
    tolerance = 100  # [ms], transform_tolerance
    assert all(lag - tolerance <= now - at <= lag + 2 * PERIOD for at, now in completed)
    stamps = [at for at, _ in completed]
    assert stamps == sorted(set(stamps))


def test_a_long_timeout_does_not_let_new_frames_displace_those_that_wait():
    driver = Driver(posed=False, transform_timeout=10, queue_size=4)
    completed = run(driver, 700, 100)
    assert len(completed) >= 4 and driver.rejected == {}
    assert driver.session.dropped > 0


def test_most_frames_refused_is_a_warning_with_the_reason_first():
    driver = Driver(posed=False)
    run(driver, 1900, 200)
    status = driver.status(200 * PERIOD)
    assert status.level == "warn" and status.reason == RejectReason.LATE_TRANSFORM
    assert status.summary.startswith("late transform: transform map <- ")
    assert "s older than the image" in status.summary and "frames refused" in status.summary
    # They come in time again.
    driver.add(transform("map", CAMERA_FRAME, static=True, matrix=looking_at()), now=200 * PERIOD)
    for at in range(200 * PERIOD, 320 * PERIOD, PERIOD):
        assert driver.step(at) is not None
    assert driver.status(320 * PERIOD).level == "ok"


@pytest.mark.parametrize(("every", "level"), [(1, "warn"), (3, "ok")])
def test_frames_refused_by_the_completion_count_as_well(every, level):
    driver, blind = Driver(), np.zeros((120, 160), np.float32)
    for number in range(12):
        spoilt = {"depth": blind} if number % every == 0 else {}
        driver.step(number * PERIOD, **spoilt)
    status = driver.status(12 * PERIOD)
    assert (status.level, driver.rejected[RejectReason.OBSERVATION]) == (level, 12 // every)


def test_without_any_sample_nothing_waits_beyond_the_timeout():
    driver = Driver(posed=False)
    driver.send(0)
    assert not driver.poll(0) and not driver.poll(201)
    assert driver.rejected == {RejectReason.NO_TRANSFORM: 1}
