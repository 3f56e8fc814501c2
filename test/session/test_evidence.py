"""Keyframes of an object: which views are kept, what contradicts them, and what they cost."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from fake_completer import FakeCompleter
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from moving_table import Body, TableSession, can, carton, looking, seen, shifted
from session_inputs import CAMERA_FRAME, transform

from iscene_ros.core.camera import Camera
from iscene_ros.core.keyframe import Keyframe
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.camera_view import CameraView
from iscene_ros.preprocess.instance_views import cropped_view
from iscene_ros.session.evidence import chosen, contradiction
from iscene_ros.session.measurements import LARGEST_SIDE
from iscene_ros.session.rejection import RejectReason
from iscene_ros.session.settings import Settings
from iscene_ros.session.status import resident_megabytes

RULES = Settings()
CARTON = Body(carton(), 0.0, 0.0, yaw=20, label="carton")
CAN = Body(can(), -0.15, 0.0, label="can")


def keyframe(azimuth=-90.0, elevation=40.0, distance=0.65, bodies=(CARTON,), seed=0) -> Keyframe:
    """A view of the first body."""
    observation, _ = seen(bodies, looking(azimuth, elevation, distance), seed)
    return Keyframe(cropped_view(observation, 1, LARGEST_SIDE), 1)


def view_of(bodies, pose) -> tuple[CameraView, Keyframe]:
    """A frame, and its view of the first body."""
    observation, _ = seen(bodies, pose, seed=7)
    return CameraView(observation, pose), Keyframe(cropped_view(observation, 1), 1)


def test_the_points_of_a_keyframe_lie_on_the_object():
    points = keyframe().points
    low, high = CARTON.placed.bounds
    assert len(points) > 100
    assert np.all(points > low - 0.01) and np.all(points < high + 0.01)


def test_a_view_from_another_direction_or_place_is_kept_and_one_from_the_same_is_not():
    first = keyframe()
    assert chosen((), first, RULES) == (first,)
    kept = (first,)
    assert chosen(kept, keyframe(seed=1), RULES) is kept
    assert chosen(kept, keyframe(azimuth=-85), RULES) is kept
    assert len(chosen(kept, keyframe(azimuth=-70), RULES)) == 2
    assert len(chosen(kept, keyframe(distance=0.4), RULES)) == 2


def test_a_view_from_the_same_place_that_sees_markedly_more_replaces_the_kept_one():
    screen = Body(carton(), 0.04, -0.12, label="screen")
    hidden, free = keyframe(bodies=(CARTON, screen)), keyframe()
    assert chosen((hidden,), free, RULES) == (free,)
    kept = (free,)
    assert chosen(kept, hidden, RULES) is kept


@examples(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 359), min_size=1, max_size=8), st.integers(1, 4))
def test_never_more_views_are_kept_than_allowed(azimuths, most):
    rules, kept = replace(RULES, keyframes=most), ()
    for azimuth in azimuths:
        before, kept = kept, chosen(kept, keyframe(azimuth), rules)
        assert 1 <= len(kept) <= most and len(kept) >= len(before)


def test_when_full_the_view_that_tells_least_goes():
    rules = replace(RULES, keyframes=3)
    kept = (keyframe(-90), keyframe(-72), keyframe(30))
    far = keyframe(150)
    chosen_views = chosen(kept, far, rules)
    assert chosen_views[-1] is far and len(chosen_views) == 3
    assert any(k is kept[2] for k in chosen_views)
    between = keyframe(-81)
    assert chosen(chosen_views, between, rules) is chosen_views


@pytest.mark.parametrize("azimuth", [-90, -60, 0, 90, 180])
def test_views_of_an_object_that_stands_still_do_not_contradict(azimuth):
    view, new = view_of((CARTON, CAN), looking(azimuth))
    for other in (-90, -45, 45, 135):
        share = contradiction(view, new, keyframe(other, bodies=(CARTON, CAN)), 0.02)
        assert share is None or share < 0.1


def test_pose_errors_of_a_few_millimetres_do_not_contradict():
    view, new = view_of((CARTON,), looking(-80))
    wrong = keyframe().moved(shifted(0.004, -0.003, 0.003, 0.5))
    assert contradiction(view, new, wrong, 0.02) < 0.15


@pytest.mark.parametrize(
    "body", [CARTON.at(0.05, 0, yaw=20), CARTON.at(0, 0.2), CARTON.at(0, 0, yaw=110)]
)
def test_views_before_and_after_a_motion_contradict(body):
    view, new = view_of((body,), looking())
    assert contradiction(view, new, keyframe(), 0.02) > 0.3


def test_a_view_of_another_side_neither_agrees_nor_contradicts():
    wall = Body(carton(), 0, 0.0, label="carton")
    view, new = view_of((wall,), looking(-90, 5))
    behind = keyframe(90, 5, bodies=(wall,))
    assert contradiction(view, new, behind, 0.02) is None


def test_a_hundred_objects_with_eight_views_fit_into_200_megabytes():
    # The object fills the image, as the largest views do.
    vga = Camera(640, 480, np.array([[560.0, 0, 319.5], [0, 560, 239.5], [0, 0, 1]]))
    observation, _ = seen((CARTON, CAN), looking(distance=0.4), camera=vga)
    kept = Keyframe(cropped_view(observation, 1, LARGEST_SIDE), 1)
    assert max(kept.view.depth.shape) > 0.6 * LARGEST_SIDE
    largest = kept.nbytes * LARGEST_SIDE**2 / kept.view.depth.size
    assert 100 * 8 * largest < 200e6


class CountingCompleter(FakeCompleter):
    """Counts the frames that it completes, and notes which objects they keep."""

    def __init__(self) -> None:
        self.frames, self.kept = 0, []

    def complete(self, observation, request, progress=None):
        self.frames += 1
        self.kept.append(set(request.kept))
        return super().complete(observation, request, progress)


def test_a_still_scene_is_completed_once_and_costs_the_same_for_ever():
    completer = CountingCompleter()
    table = TableSession(completer)
    first = table.see(CARTON, CAN)
    seconds, memory = [], []
    for _ in range(60):
        started = time.perf_counter()
        last = table.see(CARTON, CAN)
        seconds.append(time.perf_counter() - started)
        memory.append(resident_megabytes())
    assert completer.frames == 1 and last.stamp_ns > first.stamp_ns
    for old, new in zip(first.objects, last.objects, strict=True):
        assert new.item.mesh is old.item.mesh and new.keyframes == old.keyframes
        assert new.last_seen_ns == last.stamp_ns
    assert np.median(seconds[30:]) < 2 * np.median(seconds[:30])
    assert memory[-1] - memory[10] < 20


def test_only_the_objects_that_changed_are_completed_again():
    completer = CountingCompleter()
    table = TableSession(completer)
    first = table.see(CARTON, CAN)
    second = table.see(CARTON, CAN.at(-0.15, 0.1))
    assert completer.kept == [set(), {1}] and len(second.seen) == 2
    assert second.objects[0].item.mesh is first.objects[0].item.mesh
    assert second.objects[0].keyframes == first.objects[0].keyframes


def test_a_view_of_which_cleaning_leaves_nothing_is_tried_once():
    class Blinding(CountingCompleter):
        """Rejects all readings of the first object in the second frame."""

        def complete(self, observation, request, progress=None):
            scene = super().complete(observation, request, progress)
            if self.frames == 1:
                return scene
            clean = scene.observation
            depth = np.where(clean.masks[0], np.float32(0), clean.depth)
            return replace(scene, observation=clean.with_depth(depth))

    completer = Blinding()
    table = TableSession(completer)
    table.see(CARTON, CAN)
    for _ in range(3):
        update = table.see(CARTON, CAN, pose=looking(0))
        assert [len(k.keyframes) for k in update.objects] == [1, 2]
    assert completer.frames == 2


def test_changed_settings_of_the_model_complete_the_scene_anew():
    completer = CountingCompleter()
    table = TableSession(completer)
    table.see(CARTON, CAN)
    session = table.driver.session
    session.settings = session.settings.changed({"faces": 800})
    table.see(CARTON, CAN)
    table.see(CARTON, CAN)
    assert completer.frames == 2


def test_without_fusion_every_frame_is_completed_alone():
    completer = CountingCompleter()
    table = TableSession(completer, fusion=False)
    for azimuth in (-90, -90, 0):
        update = table.see(CARTON, CAN, pose=looking(azimuth))
    assert completer.frames == 3 and all(k.keyframes == () for k in update.objects)
    session = table.driver.session
    session.settings = session.settings.changed({"fusion": True})
    assert all(len(k.keyframes) == 1 for k in table.see(CARTON, CAN).objects)
    session.settings = session.settings.changed({"fusion": False})
    assert all(k.keyframes == () for k in table.see(CARTON, CAN).objects)


def test_one_object_is_forgotten_by_its_name_or_id_and_starts_anew():
    table = TableSession(CountingCompleter())
    for azimuth in (-90, 0):
        table.see(CARTON, CAN, pose=looking(azimuth))
    session = table.driver.session
    for name, left in (("carton_1", ["can_2"]), ("2", [])):
        update = session.forget(name, 0)
        assert [k.name for k in update.objects] == left and session.update is update
        assert len(update.removed) == 1 and update.seen == {k.id for k in update.objects}
    again = table.see(CARTON, CAN)
    assert [(k.id, len(k.keyframes)) for k in again.objects] == [(3, 1), (4, 1)]
    assert again.removed == ()


def test_a_name_that_no_object_has_is_counted():
    table = TableSession(CountingCompleter())
    assert table.driver.session.forget("mug_7", 0) is None
    table.see(CARTON)
    assert table.driver.session.forget("mug_7", 0) is None
    assert table.driver.rejected == {RejectReason.UNKNOWN_OBJECT: 2}
    assert "mug_7" in table.driver.lines[0]


def test_a_frame_that_is_being_completed_does_not_bring_a_forgotten_object_back():
    class Forgetting(FakeCompleter):
        def complete(self, *args, **kwargs):
            if table.frames == 2:
                table.driver.session.forget("carton_1", 0)
            return super().complete(*args, **kwargs)

    table = TableSession(Forgetting())
    table.see(CARTON, CAN)
    assert table.see(CARTON, CAN, pose=looking(0)) is None
    assert table.names == ["can_2"]


def test_a_reset_drops_all_evidence():
    table = TableSession(CountingCompleter())
    table.see(CARTON)
    table.driver.session.reset()
    update = table.see(CARTON, pose=looking(0))
    assert [(k.id, len(k.keyframes)) for k in update.objects] == [(2, 1)]


def test_a_jump_back_in_time_drops_all_evidence():
    table = TableSession(CountingCompleter())
    for azimuth in (-90, 0):
        table.see(CARTON, pose=looking(azimuth))
    update = table.see(CARTON, after=-100)
    assert update.first and [len(k.keyframes) for k in update.objects] == [1]


def test_evidence_follows_into_another_output_frame():
    frames = {"world_frame": "world", "fallback_frames": ("map",), "transform_timeout": 0}
    table = TableSession(CountingCompleter(), **frames)
    table.see(CARTON)
    before = table.see(CARTON, pose=looking(0))
    assert before.frame_id == "map"
    shift = shifted(1.0, 2.0, 0.0, 90)
    table.driver.add(transform("world", "map", static=True, matrix=shift))
    after = table.see(CARTON, pose=looking(60))
    assert after.frame_id == "world" and [len(k.keyframes) for k in after.objects] == [3]
    for old, new in zip(before.objects[0].keyframes, after.objects[0].keyframes, strict=False):
        np.testing.assert_allclose(new.center, shift[:3, :3] @ old.center + shift[:3, 3], atol=1e-6)


def test_frames_in_the_frame_of_their_own_camera_are_completed_alone_and_it_is_said_once():
    completer = CountingCompleter()
    table = TableSession(completer, world_frame=CAMERA_FRAME)
    for _ in range(3):
        update = table.see(CARTON, CAN)
    assert completer.frames == 3 and [k.id for k in update.objects] == [1, 2]
    assert all(k.keyframes == () for k in update.objects)
    said = [line for line in table.driver.lines if line.startswith("fusion")]
    assert len(said) == 1 and "world_frame" in said[0]
    # The surroundings count what they cannot fuse; the objects count nothing.
    assert set(table.driver.rejected) <= {RejectReason.ENVIRONMENT}


def test_the_status_reports_number_and_memory_of_the_views():
    table = TableSession(CountingCompleter())
    for azimuth in (-90, 0):
        table.see(CARTON, CAN, pose=looking(azimuth))
    evidence = dict(table.driver.status(table.time).values)["evidence"]
    assert evidence.startswith("4 views, ") and evidence.endswith(" MB")


def test_an_object_whose_mesh_has_no_triangle_harms_no_frame():
    class Empty(FakeCompleter):
        def complete(self, *args, **kwargs):
            scene = super().complete(*args, **kwargs)
            nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
            return replace(scene, objects=tuple(replace(o, mesh=nothing) for o in scene.objects))

    table = TableSession(Empty())
    for azimuth in (-90, -90, 0):
        update = table.see(CARTON, CAN, pose=looking(azimuth))
        assert update is not None and len(update.seen) == 2
    assert table.driver.rejected == {}
