import pytest

from iscene_ros.ros import entry


@pytest.mark.parametrize("executable", ["scene_node", "replay_node"])
def test_without_ros_one_line_says_what_to_do(executable, monkeypatch, capsys) -> None:
    def import_module(name: str) -> None:
        raise ModuleNotFoundError("No module named 'rclpy'", name="rclpy")

    monkeypatch.setattr(entry.importlib, "import_module", import_module)
    assert getattr(entry, executable)() == entry.FAILURE
    line = capsys.readouterr().err
    assert line.startswith(f"{executable}: error: rclpy") and line.count("\n") == 1
