"""The executables of the package as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def start(
    *arguments: str, executable: str = "scene_node", before: str = "pass"
) -> subprocess.Popen:
    """Start an executable with arguments of ROS; its output is one pipe.

    `before` is a statement of Python that the process executes first.
    """
    code = f"import sys; from iscene_ros.ros.entry import {executable}; sys.exit({executable}())"
    command = [sys.executable, "-c", f"{before}; {code}", "--ros-args", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
    )


@contextmanager
def running(*processes: subprocess.Popen) -> Iterator[None]:
    """Kill what still runs at the end of the block."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def end(process: subprocess.Popen, number: int) -> tuple[int, str, float]:
    """Send a signal; return exit status, output and the time until the end [s]."""
    process.send_signal(number)
    started = time.monotonic()
    output, _ = process.communicate(timeout=30)
    return process.returncode, output, time.monotonic() - started
