"""Signals at any moment: the node ends in two seconds, without a traceback or half a file."""

import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

import rclpy
from lifecycle_msgs.srv import GetState
from node_processes import end, running, start
from service_calls import call
from std_srvs.srv import Trigger

# Two seconds, and what a busy machine adds.
LIMIT = 3.0
PATIENCE = 60.0
ACTIVE = ("-p", "autostart:=true", "-p", "detections:=vision_msgs")
# Completions of iscene-mini take a minute.
SLOW = (
    "import time; from iscene_ros.models.mini.shape_model import MiniShapes; "
    "MiniShapes.predict = lambda *_: time.sleep(60)"
)

# So do collision bodies.
SLOW_BODIES = (
    "import time; from iscene_ros.planning import collision_objects; "
    "collision_objects.collision_body = lambda *_: print('begun', flush=True) or time.sleep(60)"
)


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        *((signal.SIGINT, moment) for moment in (0.3, 0.8, 2.0)),
        *((signal.SIGTERM, moment) for moment in (0.5, 1.2, 3.0)),
    ],
)
def test_a_signal_while_the_node_starts_ends_it(number: int, moment: float) -> None:
    process = start(*ACTIVE)
    with running(process):
        time.sleep(moment)
        assert process.poll() is None
        status, output, seconds = end(process, number)
    assert status in (0, 130) and seconds < LIMIT
    assert "Traceback" not in output and "rror" not in output, output


@pytest.fixture
def probe():
    rclpy.init()
    node = rclpy.create_node("probe")
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


def wait_until_active(probe) -> None:
    deadline = time.monotonic() + PATIENCE
    while call(probe, "/iscene/get_state", GetState, PATIENCE).current_state.label != "active":
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_completion_that_takes_long_does_not_hold_up_the_end(number: int, probe) -> None:
    scene = start(*ACTIVE, "-p", "max_age:=0.0", before=SLOW)
    replay = start("-p", "rate:=5.0", executable="replay_node")
    with running(scene, replay):
        wait_until_active(probe)
        time.sleep(3.0)
        status, output, seconds = end(scene, number)
        assert status in (0, 130) and seconds < LIMIT, output
        assert "Traceback" not in output and "ERROR" not in output, output
        status, output, seconds = end(replay, number)
        assert status == 0 and seconds < LIMIT and not output, output


def test_collision_bodies_that_take_long_do_not_hold_up_the_end(probe) -> None:
    messages = pytest.importorskip("moveit_msgs.msg", reason="needs moveit_msgs")
    probe.create_subscription(messages.PlanningScene, "/iscene/planning_scene", print, 1)
    scene = start(*ACTIVE, "-p", "max_age:=0.0", before=SLOW_BODIES)
    replay = start("-p", "rate:=5.0", executable="replay_node")
    with running(scene, replay):
        wait_until_active(probe)
        for _ in range(2):  # the second while bodies of the first are made
            while not call(probe, "/iscene/complete", Trigger, PATIENCE).success:
                time.sleep(0.2)
        status, output, seconds = end(scene, signal.SIGINT)
    assert status == 0 and seconds < LIMIT, output
    assert output.count("begun") == 1
    assert "Traceback" not in output and "ERROR" not in output, output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_end_while_a_scene_is_saved_leaves_no_half_of_one(
    number: int, probe, tmp_path: Path
) -> None:
    scene = start(*ACTIVE, "-p", f"save_directory:={tmp_path}", "-p", "max_age:=0.0")
    replay = start("-p", "rate:=2.0", executable="replay_node")
    with running(scene, replay):
        wait_until_active(probe)
        while not call(probe, "/iscene/complete", Trigger, PATIENCE).success:
            time.sleep(0.2)
        saving = probe.create_client(Trigger, "/iscene/save_scene")
        assert saving.wait_for_service(PATIENCE)
        saving.call_async(Trigger.Request())
        deadline = time.monotonic() + PATIENCE
        while not list(tmp_path.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        end(scene, number)
    for folder in tmp_path.iterdir():
        if not folder.name.startswith("."):  # a temporary name
            assert {"scene.json", "scene.glb"} <= {path.name for path in folder.iterdir()}
