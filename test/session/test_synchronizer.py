"""Which messages become one frame: exact stamps, slop, late masks, missing companions, jumps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_inputs import CAMERA_FRAME, MS, START_NS

from iscene_ros.session.inputs import ColorImage, DepthImage, Detections, InstanceImage
from iscene_ros.session.rejection import RejectedInputError, RejectReason
from iscene_ros.session.settings import Settings
from iscene_ros.session.synchronizer import SyncedInputs, Synchronizer

SLOP = 30 * MS
FRAME_MS = 100 / 3  # 30 Hz
PIXEL = np.zeros((1, 1))


def stamp(ms: float) -> int:
    return START_NS + round(ms * MS)


def color(ms: float) -> ColorImage:
    return ColorImage(stamp(ms), CAMERA_FRAME, PIXEL)


def depth(ms: float) -> DepthImage:
    return DepthImage(stamp(ms), CAMERA_FRAME, PIXEL)


def masks(ms: float) -> InstanceImage:
    return InstanceImage(stamp(ms), CAMERA_FRAME, PIXEL)


def detections(ms: float) -> Detections:
    return Detections(stamp(ms), CAMERA_FRAME, ())


def synchronizer(use_color=True, use_detections=False, from_detections=False, queue_size=30):
    return Synchronizer(
        Settings(
            use_rgb=use_color,
            detections="yolo_msgs" if use_detections else "none",
            masks_from="detections" if from_detections else "instances",
            queue_size=queue_size,
        )
    )


def add(sync: Synchronizer, *items, now_ms: float = 0) -> None:
    for item in items:
        sync.add(item, stamp(now_ms))


def stamps_ms(inputs: SyncedInputs) -> tuple[float, ...]:
    items = inputs.instances, inputs.depth, inputs.color, inputs.detections
    return tuple((i.stamp_ns - START_NS) / MS for i in items if i is not None)


def drain(sync: Synchronizer, now_ms: float, slop_ns: int = SLOP):
    """What can be popped now: frames, and lines of rejections."""
    frames, lines = [], []
    while True:
        try:
            found = sync.pop(stamp(now_ms), slop_ns)
        except RejectedInputError as error:
            assert error.reason == RejectReason.UNSYNCHRONISED
            lines.append(str(error))
            continue
        if found is None:
            return frames, lines
        frames.append(found)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_equal_stamps_are_a_frame_at_once_in_any_order(order):
    sync, items = synchronizer(), (color(0), depth(0), masks(0))
    for place in order[:2]:
        add(sync, items[place])
        assert sync.pop(stamp(0), 0) is None
    add(sync, items[order[2]])
    assert stamps_ms(sync.pop(stamp(0), 0)) == (0, 0, 0)
    assert sync.pop(stamp(0), 0) is None


def test_the_nearest_within_the_slop_is_taken_once_a_later_one_has_come():
    sync = synchronizer(use_color=False)
    add(sync, depth(-20), masks(0))
    assert sync.pop(stamp(0), SLOP) is None
    add(sync, depth(13))
    assert stamps_ms(sync.pop(stamp(1), SLOP)) == (0, 13)


def test_an_older_one_within_the_slop_will_do_when_the_slop_has_passed():
    sync = synchronizer(use_color=False)
    add(sync, depth(-20), masks(0), now_ms=100)
    assert sync.pop(stamp(130), SLOP) is None
    assert stamps_ms(sync.pop(stamp(131), SLOP)) == (0, -20)


def test_a_companion_outside_the_slop_is_none_and_the_line_says_how_far():
    sync = synchronizer(use_color=False)
    add(sync, depth(-31), masks(0), depth(40))
    frames, lines = drain(sync, 500)
    assert frames == [] and len(lines) == 1
    assert "depth lies 0.031 s off" in lines[0] and "sync_slop = 0.03 s" in lines[0]


def test_late_masks_at_5_hz_find_the_images_that_they_were_made_from():
    sync, frames, lines = synchronizer(), [], []
    for i in range(300):
        add(sync, color(i * FRAME_MS), depth(i * FRAME_MS), now_ms=i * FRAME_MS)
        # Every sixth image is segmented, which takes 300 ms.
        if i % 6 == 3 and i > 9:
            add(sync, masks((i - 9) * FRAME_MS), now_ms=i * FRAME_MS)
        made, rejected = drain(sync, i * FRAME_MS)
        frames, lines = frames + made, lines + rejected
    assert lines == [] and len(frames) == 48
    assert all(len(set(stamps_ms(f))) == 1 for f in frames)


def test_masks_later_than_the_queue_is_long_say_so():
    sync = synchronizer(use_color=False, queue_size=5)
    for i in range(20):
        add(sync, depth(i * FRAME_MS))
    add(sync, masks(0))
    frames, lines = drain(sync, 700)
    assert frames == [] and "raise queue_size" in lines[0]


def test_a_lost_image_costs_only_its_own_frame():
    sync = synchronizer()
    for ms in (0, 100, 200):
        add(sync, color(ms), masks(ms), *([depth(ms)] if ms != 100 else []))
    frames, lines = drain(sync, 250)
    assert [stamps_ms(f)[0] for f in frames] == [0, 200]
    assert len(lines) == 1 and "no depth" not in lines[0] and "depth lies" in lines[0]


def test_the_line_names_what_is_missing_by_its_topic():
    sync = synchronizer()
    add(sync, depth(0), masks(0), color(500))
    assert "nearest rgb" in drain(sync, 0)[1][0]
    assert synchronizer(use_detections=True).waiting_for() == (
        "instances",
        "depth",
        "rgb",
        "detections",
    )


def test_what_never_comes_gives_up_the_oldest_when_the_queue_is_full():
    sync, count = synchronizer(queue_size=4), 0
    for i in range(3000):
        add(sync, depth(i * FRAME_MS), masks(i * FRAME_MS))
        frames, lines = drain(sync, i * FRAME_MS)
        assert frames == []
        assert all("no rgb came" in line for line in lines)
        count += len(lines)
    assert count == 3000 - 4
    assert len(sync._waiting) == 4 and all(len(queue) <= 4 for queue in sync._queues.values())


def test_queues_stay_bounded_when_nobody_pops():
    sync, rejected = synchronizer(queue_size=7), 0
    for i in range(3000):
        add(sync, color(i * FRAME_MS), depth(i * FRAME_MS))
        try:
            add(sync, masks(i * FRAME_MS))
        except RejectedInputError as error:
            assert error.reason == RejectReason.UNSYNCHRONISED
            rejected += 1
    assert len(sync._waiting) == 8 and rejected == 3000 - 8
    assert all(len(queue) == 7 for queue in sync._queues.values())
    assert len(drain(sync, 3000 * FRAME_MS)[0]) == 7


@pytest.mark.parametrize("make", [color, depth, masks])
def test_a_jump_back_drops_everything_and_the_next_run_synchronises(make):
    sync = synchronizer()
    add(sync, color(5000), depth(5000), masks(5010), masks(5020), masks(5030))
    assert sync.waiting_for() == ()
    with pytest.raises(RejectedInputError, match=r"jumped back in time by [45]\.\d s") as caught:
        add(sync, make(0))
    assert caught.value.reason == RejectReason.TIME_JUMP
    assert sync.waiting_for() == ("instances", "depth", "rgb")
    add(sync, color(0), depth(0), masks(0))
    assert [stamps_ms(f) for f in drain(sync, 0)[0]] == [(0, 0, 0)]


def test_a_step_back_of_less_than_a_second_is_a_message_out_of_order():
    sync = synchronizer(use_color=False)
    add(sync, depth(900), masks(900), masks(0), depth(0))
    assert {stamps_ms(f) for f in drain(sync, 900)[0]} == {(900, 900), (0, 0)}


def test_masks_that_wait_at_the_end_are_refused_with_the_distance():
    sync = synchronizer(use_color=False)
    add(sync, depth(0), masks(500), masks(0))
    assert drain(sync, 600) == ([], [])
    errors = [str(error) for error in sync.finish()]
    assert len(errors) == 2 and "the nearest depth lies 0.500 s off" in errors[0]
    assert sync.finish() == [] and drain(sync, 600) == ([], [])


def test_masks_without_any_image_are_refused_at_the_end():
    sync = synchronizer()
    add(sync, depth(0), masks(0))
    (error,) = sync.finish()
    assert "no rgb of its camera came" in str(error)
    assert error.reason == RejectReason.UNSYNCHRONISED


def test_unused_kinds_are_not_waited_for():
    sync = synchronizer(use_color=False)
    add(sync, color(0), detections(0), depth(0), masks(0))
    made = sync.pop(stamp(0), SLOP)
    assert made.color is None and made.detections is None


def test_detections_can_carry_the_masks():
    sync = synchronizer(use_detections=True, from_detections=True)
    add(sync, color(0), depth(0), detections(0), masks(0))
    made = sync.pop(stamp(0), SLOP)
    assert made.instances is None and made.detections.stamp_ns == stamp(0)


def test_detections_beside_masks_belong_to_the_same_image():
    sync = synchronizer(use_detections=True)
    add(sync, color(0), depth(0), masks(0), detections(-200))
    assert drain(sync, 1000) == ([], [])
    add(sync, detections(0))
    assert stamps_ms(sync.pop(stamp(1001), SLOP)) == (0, 0, 0, 0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([color, depth, masks]), st.integers(0, 900)), max_size=60
    ),
    st.integers(0, 60),
)  # fmt: skip
def test_every_frame_is_the_nearest_within_the_slop(messages, slop_ms):
    sync = synchronizer(queue_size=100)
    for make, ms in messages:
        add(sync, make(ms))
    frames, lines = drain(sync, 10_000, slop_ms * MS)
    times = {kind: [ms for make, ms in messages if make is kind] for kind in (color, depth, masks)}
    for frame in frames:
        ms, *others = stamps_ms(frame)
        for kind, other in zip((depth, color), others, strict=True):
            assert abs(other - ms) == min(abs(t - ms) for t in times[kind]) <= slop_ms
    assert len(frames) + len(lines) + len(sync._waiting) == len(times[masks])
