"""What the documents say of parameters, topics and services is what the code has."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from iscene_ros.io.demo_frame import demo_frame
from iscene_ros.ros.topics import OUTPUTS
from iscene_ros.session.parameters import limits_of, parameter_name
from iscene_ros.session.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
ROS = (ROOT / "docs/ros.md").read_text("utf-8")
PARAMETERS = (ROOT / "docs/parameters.md").read_text("utf-8")


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return '""' if value == "" else str(value)


def test_every_parameter_is_listed_with_its_default():
    for field in fields(Settings):
        limits = limits_of(Settings, field.name)
        star = "" if limits.live else " *"
        description = limits.description.replace(" | ", " \\| ")
        name = parameter_name(field.name)
        row = f"| `{name}`{star} | `{shown(field.default)}` | {description} |"
        assert row in PARAMETERS, name


def test_every_output_is_listed_with_its_type():
    for topic in OUTPUTS:
        latched = " †" if topic.latched else ""
        kind = topic.type_name.replace("/msg/", "/")
        assert f"| `{topic.name}`{latched} | `{kind}` | {topic.description} |" in ROS


def test_every_service_is_listed():
    source = (ROOT / "iscene_ros/ros/services.py").read_text("utf-8")
    services = set(re.findall(r'"(~/\w+)"', source))
    assert services and all(f"| `{service}` |" in ROS for service in services)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(path):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_files_that_the_architecture_names_exist():
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    names = re.findall(r"`([a-z_/]+(?:/|\.py|\.md|\.yaml))`", text)
    assert names
    for name in names:
        assert (ROOT / name).exists() or (ROOT / "iscene_ros" / name).exists(), name


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    frame = demo_frame()
    monkeypatch.chdir(tmp_path)
    inputs = {
        "label_image": frame.labels_image,
        "depth": frame.observation.depth,
        "width": frame.observation.camera.width,
        "height": frame.observation.camera.height,
        "k": frame.observation.camera.k,
        "pose": frame.world_from_camera,
    }
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(code, "README.md", "exec"), inputs)
    assert len(inputs["scene"].objects) == 8 and (tmp_path / "result/scene.json").exists()
    printed = capsys.readouterr().out
    assert "<trimesh.Trimesh" in printed and "no clear way in" in printed
