"""The executables: exit on a signal, and the error line for wrong parameters."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

from node_processes import start


def wait_for_handlers(process: subprocess.Popen, seconds: float = 60.0) -> None:
    """Wait until a process handles SIGTERM, which Python alone does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.05)
    raise AssertionError("the executable did not start")


@pytest.mark.parametrize("executable", ["scene_node", "replay_node"])
def test_two_interrupts_end_it_cleanly(executable: str) -> None:
    process = start(executable=executable)
    wait_for_handlers(process)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    output, _ = process.communicate(timeout=30)
    assert process.returncode in (0, 130) and not output, output


@pytest.mark.parametrize(
    ("assignment", "reason"),
    [("faces:=3", "faces"), ("faces:=many", "faces"), ("mode:=sometimes", "mode")],
)
def test_wrong_parameters_end_it_with_one_line(assignment: str, reason: str) -> None:
    output, _ = (process := start("-p", assignment)).communicate(timeout=60)
    assert process.returncode == 2
    assert output.startswith("scene_node: error: ") and reason in output, output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "Error opening YAML file"),
        ("{{{", "params file"),
        ("iscene: {ros__parameters: [1, 2]}", "params file"),
        ("faces: 800", "params file"),
        ("/**: {ros__parameters: {faces: many}}", "faces"),
        ("/**: {ros__parameters: {fallback_frames: [1, 2]}}", "fallback_frames"),
    ],
)
def test_a_parameter_file_that_cannot_be_used_is_named_without_a_traceback(
    content: str | None, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.yaml"
    if content is not None:
        file.write_text(content, "utf-8")
    output, _ = (process := start("--params-file", str(file))).communicate(timeout=60)
    assert process.returncode == 2 and "Traceback" not in output
    line = output.splitlines()[-1]
    assert line.startswith("scene_node: error: ") and reason in line, output
