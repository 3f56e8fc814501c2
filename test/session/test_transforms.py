"""Transforms over time: against a plain reference, against tf2, and where there is no answer."""

import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import Tree
from session_inputs import MS, START_NS, pose, transform

from iscene_ros.core.stamps import SECOND
from iscene_ros.session.rejection import RejectedInputError, RejectReason
from iscene_ros.session.transforms import NoTransformError, TransformBuffer


def filled(*samples) -> TransformBuffer:
    """A buffer of some samples."""
    buffer = TransformBuffer()
    for sample in samples:
        buffer.add(sample)
    return buffer


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(2, 9), st.integers(0, 8), st.integers(0, 8),
    st.integers(0, 1000),
)  # fmt: skip
def test_lookup_agrees_with_a_plain_reference_on_random_trees(seed, size, target, source, ms):
    target, source = target % size, source % size
    tree = Tree(seed, size)
    found = tree.buffer().lookup(f"f{target}", f"f{source}", START_NS + ms * MS)
    expected = np.linalg.inv(tree.root_from(target, ms)) @ tree.root_from(source, ms)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_halfway_between_two_samples_is_half_the_way_and_half_the_turn():
    buffer = filled(
        transform("map", "cam", START_NS, matrix=pose(0, 0, 0)),
        transform("map", "cam", START_NS + SECOND, matrix=pose(2, 4, 0, (0, 0, 90))),
    )
    halfway = buffer.lookup("map", "cam", START_NS + SECOND // 2)
    np.testing.assert_allclose(halfway, pose(1, 2, 0, (0, 0, 45)), atol=1e-12)


@pytest.mark.parametrize("first", ["newer", "older"])
def test_samples_out_of_order_give_the_same_poses(first):
    samples = [
        transform("map", "cam", START_NS + i * 100 * MS, matrix=pose(i)) for i in (0, 2, 1, 4, 3)
    ]
    buffer = filled(*(samples if first == "newer" else sorted(samples, key=lambda s: s.stamp_ns)))
    assert buffer.lookup("map", "cam", START_NS + 250 * MS)[0, 3] == pytest.approx(2.5)


def test_a_static_transform_holds_at_all_times():
    buffer = filled(transform("base", "cam", static=True, matrix=pose(1)))
    for stamp in (1, START_NS, 2 * START_NS):
        assert buffer.lookup("base", "cam", stamp)[0, 3] == 1
    buffer.add(transform("base", "cam", static=True, matrix=pose(2)))
    assert buffer.lookup("base", "cam", START_NS)[0, 3] == 2


def test_a_sample_of_the_same_stamp_replaces_the_one_before():
    buffer = filled(*(transform("map", "cam", matrix=pose(x)) for x in (1, 2)))
    assert buffer.lookup("map", "cam", START_NS)[0, 3] == 2


def failure(buffer, target, source, stamp_ns, tolerance_ns=0) -> NoTransformError:
    with pytest.raises(NoTransformError) as caught:
        buffer.lookup(target, source, stamp_ns, tolerance_ns)
    return caught.value


def test_waiting_helps_where_the_newest_sample_is_older_and_not_where_the_oldest_is_newer():
    buffer = filled(*(transform("map", "cam", START_NS + ms * MS) for ms in (0, 100)))
    late = failure(buffer, "map", "cam", START_NS + 150 * MS)
    assert late.may_come and "newest is 0.05 s older" in str(late)
    early = failure(buffer, "map", "cam", START_NS - 150 * MS)
    assert not early.may_come and "oldest is 0.15 s newer" in str(early)


def test_the_tolerance_reaches_beyond_both_ends_but_no_further():
    buffer = TransformBuffer()
    for ms, x in ((0, 1), (100, 2)):
        buffer.add(transform("map", "cam", START_NS + ms * MS, matrix=pose(x)))
    assert buffer.lookup("map", "cam", START_NS + 200 * MS, 100 * MS)[0, 3] == 2
    assert buffer.lookup("map", "cam", START_NS - 100 * MS, 100 * MS)[0, 3] == 1
    failure(buffer, "map", "cam", START_NS + 201 * MS, 100 * MS)
    failure(buffer, "map", "cam", START_NS - 101 * MS, 100 * MS)


def test_an_unknown_frame_may_come_and_the_known_ones_are_named():
    buffer = filled(transform("odom", "base_link"))
    error = failure(buffer, "map", "base_link", START_NS)
    assert error.may_come and error.reason == RejectReason.NO_TRANSFORM
    assert "map is unknown" in str(error) and "base_link, odom" in str(error)
    assert not buffer.connects("map", "base_link") and buffer.connects("odom", "base_link")


def test_two_trees_are_not_connected_until_a_transform_joins_them():
    buffer = filled(
        transform("map", "odom", static=True),
        transform("base_link", "cam", static=True),
    )
    error = failure(buffer, "map", "cam", START_NS)
    assert error.may_come and "map" in str(error) and "base_link" in str(error)
    buffer.add(transform("odom", "base_link", static=True))
    np.testing.assert_array_equal(buffer.lookup("map", "cam", START_NS), np.eye(4))


@pytest.mark.parametrize("parent, child", [("a", "a"), ("c", "a"), ("b", "a"), ("c", "b")])
def test_a_loop_is_refused_and_the_tree_stays(parent, child):
    buffer = filled(
        transform("a", "b", matrix=pose(1)),
        transform("b", "c", matrix=pose(1)),
    )
    with pytest.raises(RejectedInputError, match="closes a loop") as caught:
        buffer.add(transform(parent, child))
    assert caught.value.reason == RejectReason.FRAME
    assert buffer.lookup("a", "c", START_NS)[0, 3] == 2


def test_frames_that_fell_silent_give_way_to_a_tree_the_other_way_round():
    buffer = filled(
        transform("cam", "odom", START_NS),
        transform("odom", "map", START_NS),
    )
    with pytest.raises(RejectedInputError):
        buffer.add(transform("map", "cam", START_NS + SECOND))
    buffer.add(transform("map", "cam", START_NS + 11 * SECOND, matrix=pose(1, 0, 0)))
    found = buffer.lookup("map", "cam", START_NS + 11 * SECOND)
    np.testing.assert_allclose(found, pose(1, 0, 0))


def test_a_frame_that_changes_its_parent_starts_anew():
    buffer = filled(
        transform("map", "hand", static=True, matrix=pose(1)),
        transform("map", "mug", START_NS, matrix=pose(5)),
        transform("hand", "mug", START_NS + SECOND, matrix=pose(2)),
    )
    assert buffer.lookup("map", "mug", START_NS + SECOND)[0, 3] == 3
    failure(buffer, "map", "mug", START_NS)


def test_ten_seconds_are_kept():
    buffer = TransformBuffer()
    for i in range(3000):
        buffer.add(transform("map", "cam", START_NS + i * 10 * MS, matrix=pose(i)))
    newest = START_NS + 2999 * 10 * MS
    assert buffer.lookup("map", "cam", newest - 10 * SECOND)[0, 3] == 1999
    assert not failure(buffer, "map", "cam", newest - 10 * SECOND - 1).may_come
    track = buffer._tracks["cam"]
    assert len(track.stamps) == len(track.poses) == 1001


def test_one_sample_from_the_far_future_costs_one_refusal():
    buffer = filled(
        transform("map", "cam", START_NS, matrix=pose(1)),
        transform("map", "cam", START_NS + 3600 * SECOND, matrix=pose(9)),
    )
    with pytest.raises(RejectedInputError, match="jumped back") as caught:
        buffer.add(transform("map", "cam", START_NS + 10 * MS, matrix=pose(1)))
    assert caught.value.reason == RejectReason.TIME_JUMP
    buffer.add(transform("map", "cam", START_NS + 20 * MS, matrix=pose(2)))
    assert buffer.lookup("map", "cam", START_NS + 15 * MS)[0, 3] == pytest.approx(1.5)


def test_small_steps_back_are_messages_out_of_order():
    buffer = filled(
        transform("map", "cam", START_NS, matrix=pose(1)),
        transform("map", "cam", START_NS - SECOND, matrix=pose(0)),
    )
    assert buffer.lookup("map", "cam", START_NS - SECOND // 2)[0, 3] == pytest.approx(0.5)


def test_forgetting_another_run_keeps_static_ones_and_what_has_begun_anew():
    buffer = filled(
        transform("map", "odom", START_NS),
        transform("odom", "base", START_NS + 9 * SECOND),
        transform("base", "cam", static=True),
    )
    buffer.forget_after(START_NS)
    assert buffer.frames() == ["base", "cam", "map", "odom"]
    assert not buffer.connects("odom", "base")
    buffer.add(transform("odom", "base", START_NS))
    buffer.lookup("map", "cam", START_NS)


def test_one_thread_may_add_while_another_looks_up():
    buffer, faults = TransformBuffer(), []

    def look_up() -> None:
        for i in range(1000):
            try:
                buffer.lookup("map", "nowhere" if i % 2 else "cam", START_NS, 1 << 60)
            except NoTransformError:
                pass
            except Exception as error:
                faults.append(error)

    interval, i = sys.getswitchinterval(), 0
    sys.setswitchinterval(1e-6)
    try:
        thread = threading.Thread(target=look_up)
        thread.start()
        while thread.is_alive():
            i += 1
            buffer.add(transform("map", "cam", START_NS + i * 100 * MS))
            buffer.add(transform("map", f"object_{i % 3000}", START_NS + i * 100 * MS))
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not faults
