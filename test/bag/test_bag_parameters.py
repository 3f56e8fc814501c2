import re
from pathlib import Path

import pytest

from iscene_ros.bag.parameters import read_settings
from iscene_ros.core.errors import InputError

CONFIG = Path(__file__).parents[2] / "config/scene.yaml"


def test_a_parameter_on_the_command_line_keeps_its_type() -> None:
    texts = ["frame_prefix=01", "rate=2", "use_rgb=false", "class_names=['', bowl]", "steps=4"]
    settings = read_settings(CONFIG, texts)
    assert (settings.frame_prefix, settings.rate, settings.use_rgb) == ("01", 2.0, False)
    assert settings.class_names == ("", "bowl") and settings.steps == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/**: {ros__parameters: {stpes: 2}}", "stpes: unknown"),
        ("/**: {ros__parameters: {topics: {rbg: x}}}", "topics.rbg: unknown"),
        ("/**: {ros__parameters: {steps: many}}", "steps: 'many', expected int"),
        ("iscene: {ros__parameters: {rate: 1000.0}}", "expected 0 to 100"),
        ("other_node: {ros__parameters: {steps: 2}}", "no parameters of iscene"),
        ("steps: 2", "expected /**: ros__parameters"),
        ("[1, 2", "no YAML"),
        ("", "no parameters"),
        (None, "No such file"),
    ],
)
def test_bad_parameter_files_are_refused(tmp_path: Path, text: str | None, expected: str) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=re.escape(expected)) as caught:
        read_settings(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "robot1: {iscene: {ros__parameters: {steps: 7}}}",
        "/robot1: {arm: {iscene: {ros__parameters: {steps: 7}}}}",
        "/robot1/iscene: {ros__parameters: {steps: 7}}",
        "/robot1/**: {ros__parameters: {steps: 7}}",
        "robot1: {'*': {ros__parameters: {steps: 7}}, other: {ros__parameters: {steps: 2}}}",
        "iscene: {ros__parameters: {steps: 7}}\n/**: {ros__parameters: {steps: 2}}",
    ],
)
def test_parameters_of_a_node_in_a_namespace_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert read_settings(path).steps == 7


def test_parameters_of_two_nodes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    nodes = (f"{name}: {{iscene: {{ros__parameters: {{steps: 2}}}}}}" for name in ("b", "a"))
    path.write_text("\n".join(nodes))
    with pytest.raises(InputError, match="parameters of /a/iscene and /b/iscene"):
        read_settings(path)


@pytest.mark.parametrize("text", ["steps", "steps=[", "steps=x", "no=1"])
def test_bad_assignments_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=text.split("=")[0]):
        read_settings(None, [text])
