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


@pytest.mark.parametrize("text", ["steps", "steps=[", "steps=x", "no=1"])
def test_bad_assignments_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=text.split("=")[0]):
        read_settings(None, [text])
