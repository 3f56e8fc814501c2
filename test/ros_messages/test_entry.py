from types import SimpleNamespace

import pytest

from iscene_ros.ros import entry


@pytest.mark.parametrize("executable", ["scene_node", "replay_node"])
def test_without_ros_one_line_says_what_to_do(executable, monkeypatch, capsys) -> None:
    def import_module(name: str) -> None:
        raise ModuleNotFoundError("No module named 'rclpy'", name="rclpy")

    monkeypatch.setattr(entry.importlib, "import_module", import_module)
    # Its handlers of signals would outlive the test.
    monkeypatch.setattr(entry, "Termination", SimpleNamespace)
    assert getattr(entry, executable)() == entry.FAILURE
    line = capsys.readouterr().err
    assert line.startswith(f"{executable}: error: rclpy") and line.count("\n") == 1


def test_a_callback_that_raises_is_logged_and_does_not_end_the_node() -> None:
    lines: list[str] = []

    class Executor:
        def spin_once(self, timeout_sec: float) -> None:
            raise KeyError("box-1")

    class Node:
        def get_logger(self):
            return SimpleNamespace(error=lines.append)

    entry._spin_once(Executor(), Node())
    assert len(lines) == 1 and "KeyError: 'box-1'" in lines[0]
