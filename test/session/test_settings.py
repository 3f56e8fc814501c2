"""Every parameter has a meaning, a default within its range, and a clear rejection beyond it."""

from dataclasses import fields
from pathlib import Path

import pytest

from iscene_ros.core.errors import InputError
from iscene_ros.session.parameters import limits_of, parameter_name
from iscene_ros.session.settings import Settings

NAMES = [f.name for f in fields(Settings)]
NUMBERS = [name for name in NAMES if limits_of(Settings, name).low is not None]
CHOICES = [name for name in NAMES if limits_of(Settings, name).choices]
CONFIG = Path(__file__).parents[2] / "config" / "scene.yaml"


def rejection(values) -> str:
    with pytest.raises(InputError) as caught:
        Settings.from_mapping(values)
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_described_in_one_line(name):
    description = limits_of(Settings, name).description
    assert len(description) > 8 and "\n" not in description and not description.endswith(".")


@pytest.mark.parametrize("name", NUMBERS)
def test_the_range_is_inclusive_and_nothing_beyond_it_is_taken(name):
    limits, kind = limits_of(Settings, name), type(getattr(Settings(), name))
    step = 1 if kind is int else 1e-9 + 1e-9 * limits.high
    for edge, beyond in ((limits.low, limits.low - step), (limits.high, limits.high + step)):
        assert getattr(Settings.from_mapping({parameter_name(name): kind(edge)}), name) == edge
        line = rejection({parameter_name(name): kind(beyond)})
        assert line.startswith(f"parameter {parameter_name(name)}: ") and "expected" in line


@pytest.mark.parametrize("name", [n for n in NUMBERS if isinstance(getattr(Settings(), n), float)])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_no_number_may_be_infinite_or_not_a_number(name, value):
    assert "expected" in rejection({name: value})


@pytest.mark.parametrize("name", CHOICES)
def test_only_the_choices_are_taken(name):
    others = {"masks_from": {"detections": "yolo_msgs"}}.get(name, {})
    for choice in limits_of(Settings, name).choices:
        assert getattr(Settings.from_mapping({name: choice, **others}), name) == choice
    assert "expected one of" in rejection({name: "nonsense"})


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 2.0},
        {"steps": True},
        {"steps": "2"},
        {"use_rgb": 1},
        {"rate": True},
        {"rate": "fast"},
        {"model": 3},
        {"class_names": "mug"},
        {"class_names": ["mug", 3]},
        {"fallback_frames": None},
    ],
)
def test_a_wrong_type_is_refused_by_name(values):
    line = rejection(values)
    assert line.startswith(f"parameter {next(iter(values))}: ") and "expected" in line


def test_a_whole_number_will_do_where_a_decimal_is_expected():
    rate = Settings.from_mapping({"rate": 5}).rate
    assert rate == 5.0 and isinstance(rate, float)


@pytest.mark.parametrize("name", ["forget_afer", "topics_rgb", "topics", "rgb", ""])
def test_an_unknown_name_is_refused(name):
    assert f"parameter {name}: unknown" in rejection({name: 1})


def test_topics_are_nested_by_a_dot():
    assert Settings.from_mapping({"topics.rgb": "/cam/rgb"}).topics_rgb == "/cam/rgb"
    assert [parameter_name(n) for n in NAMES].count("topics.camera_info") == 1


@pytest.mark.parametrize(
    "values",
    [{"world_frame": "/map"}, {"world_frame": ""}, {"fallback_frames": ["odom", "/base_link"]}],
)
def test_a_frame_has_a_name_without_leading_slash(values):
    assert "without leading slash" in rejection(values)
    assert "no leading slash" in rejection({"frame_prefix": "/arm/"})


def test_masks_from_detections_need_detections_with_masks():
    assert "set detections to yolo_msgs" in rejection({"masks_from": "detections"})
    rejection({"masks_from": "detections", "detections": "vision_msgs"})


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["mug", "bowl"], ("mug", "bowl")), ([""], ()), ([], ()), (["", "mug"], ("", "mug"))],
)
def test_lists_become_tuples_and_a_single_empty_text_is_no_entry(names, expected):
    assert Settings.from_mapping({"class_names": names}).class_names == expected


def test_every_number_has_a_range():
    numbers = [f.name for f in fields(Settings) if type(f.default) in (int, float)]
    assert numbers == NUMBERS


def test_changes_keep_the_rest_and_leave_the_original():
    first = Settings.from_mapping({"steps": 4, "seed": 7})
    second = first.changed({"steps": 8})
    assert (first.steps, second.steps, second.seed) == (4, 8, 7)


def test_what_the_node_builds_once_is_not_live():
    built = ("model", "device", "preset", "base", "world_frame", "pose_source", "queue_size")
    built += ("use_rgb", "masks_from", "detections", "reliability")
    assert not any(limits_of(Settings, name).live for name in built)
    live = ("steps", "faces", "rate", "forget_after", "mode", "max_age")
    assert all(limits_of(Settings, name).live for name in live)


def test_the_config_file_names_every_parameter_with_its_default():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    written = yaml.safe_load(CONFIG.read_text())["/**"]["ros__parameters"]
    topics = {f"topics.{name}": topic for name, topic in written.pop("topics").items()}
    values = {**written, **topics}
    assert set(values) == {parameter_name(name) for name in NAMES}
    assert Settings.from_mapping(values) == Settings()
    kinds = {name: type(getattr(Settings(), name)) for name in NAMES if name in values}
    wrong = [n for n, kind in kinds.items() if kind is not tuple and type(values[n]) is not kind]
    assert wrong == []  # ROS does not take 0 for 0.0


def test_the_config_file_says_of_every_parameter_what_it_means():
    lines = CONFIG.read_text().splitlines()
    text = " ".join(" ".join(line.strip("# ") for line in lines).split())
    missing = [n for n in NAMES if " ".join(limits_of(Settings, n).description.split()) not in text]
    assert missing == []


@pytest.mark.parametrize("twins", [False, True])
def test_twins_reach_the_completer(twins):
    assert Settings.from_mapping({"twins": twins}).model_config("cpu").options.twins is twins
