"""`make demo-ros`: its table knows every output, and it tells a clean end from another one."""

import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source /opt/ros/<distribution>/setup.bash")

import live_demo

from iscene_ros.ros.topics import OUTPUTS


def test_every_output_comes_and_the_table_says_what_it_holds(monkeypatch, capfd) -> None:
    monkeypatch.setattr(live_demo, "UPDATES", 1)
    status = live_demo.main("-p", "collision_shape:=hull")
    output, log = capfd.readouterr()
    assert status == 0, output + log
    rows = {line.split()[0]: line.split("  ")[-1].strip() for line in output.splitlines() if line}
    for topic in OUTPUTS:
        assert rows[topic.name] not in ("nothing came", topic.type_name.split("/")[-1]), output
    assert rows["~/objects"] == "8 detections"
    assert "Traceback" not in log and "rejected" not in log, log


@pytest.mark.parametrize(
    ("at_interrupt", "is_clean"),
    [("sys.exit()", True), ("1 / 0", False), ("time.sleep(live_demo.END_LIMIT + 0.5)", False)],
)
def test_an_end_is_clean_without_an_error_and_in_time(at_interrupt: str, is_clean: bool) -> None:
    body = f"try: print(flush=True), time.sleep(60)\nexcept KeyboardInterrupt: {at_interrupt}"
    code = f"import sys, time\n{body}".replace("live_demo.END_LIMIT", str(live_demo.END_LIMIT))
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.readline()
        assert live_demo.end("process", process) == is_clean
