"""Resolution of topic names as in the node, and the check that a bag has the input topics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iscene_ros.core.errors import InputError
from iscene_ros.ros.encode_objects import TRANSFORMS_TYPE
from iscene_ros.ros.topics import TRANSFORM_KEYS, InputTopic, input_topics
from iscene_ros.session.settings import Settings

NODE_NAME = "iscene"
_MOST_LISTED = 12
_TRANSPORTS = ("rgb_transport=compressed", "depth_transport=compressedDepth")
# Words in the names of topics, by input.
_WORDS = {
    "rgb": ("rgb", "color", "colour"),
    "depth": ("depth", "aligned", "registered"),
    "camera_info": ("color", "rgb"),
    "instances": ("instance", "mask", "segment", "label"),
}


def resolved(name: str) -> str:
    """Return the full name of a topic of the node: "rgb" is /rgb, "~/cloud" /iscene/cloud."""
    if name.startswith("~/"):
        return f"/{NODE_NAME}/{name[2:]}"
    return f"/{name.lstrip('/')}"


def found_inputs(
    bag: Path, topics: Mapping[str, str], settings: Settings, has_transforms: bool = False
) -> dict[str, InputTopic]:
    """Return the inputs that the settings ask for, by their names in a bag; TF may be absent.

    Args:
        topics: types by name of the topic.
        has_transforms: whether transforms are given besides those of the bag.

    Raises:
        InputError: a topic is missing or has another type, or TF has other names; says what there
            is and what to set.
    """
    found = {}
    for topic in input_topics(settings):
        name = resolved(topic.name)
        if name in topics:
            _check_type(bag, topic, name, topics[name])
            found[name] = topic
        elif topic.key not in TRANSFORM_KEYS:
            raise InputError(_missing(bag, topic, name, topics))
    if settings.pose_source == "tf" and not has_transforms:
        _check_transforms(bag, [t.key for t in found.values()], topics, settings)
    return found


def _check_transforms(
    bag: Path, keys: list[str], topics: Mapping[str, str], settings: Settings
) -> None:
    """Check that a bag with TF under other names is not read without it."""
    others = _of_type(topics, TRANSFORMS_TYPE)
    if others and not any(key in TRANSFORM_KEYS for key in keys):
        static = [name for name in others if name.endswith("static")]
        dynamic = [name for name in others if name not in static]
        named = {"topics.tf": dynamic, "topics.tf_static": static}
        options = [f"--set {key}={names[0]}" for key, names in named.items() if names]
        raise InputError(
            f"{bag}: no topic {settings.topics_tf} or {settings.topics_tf_static} for TF, but "
            f"{', '.join(others)}; {' '.join(options)}"
        )


def _check_type(bag: Path, topic: InputTopic, name: str, type_name: str) -> None:
    if type_name == topic.type_name:
        return
    remedy = f"set {topic.parameter} to another topic"
    if topic.key in ("detections", "camera_pose"):
        parameter = "detections" if topic.key == "detections" else "pose_source"
        remedy += f", or {parameter} to that type"
    elif topic.key == "rgb" and type_name.endswith("/CompressedImage"):
        remedy += ", or rgb_transport to compressed (which reads topics.rgb + /compressed)"
    raise InputError(
        f"{bag}: {name} holds {type_name}, expected {topic.type_name} for {topic.key}; {remedy}"
    )


def _missing(bag: Path, topic: InputTopic, name: str, topics: Mapping[str, str]) -> str:
    fitting = _likeliest_first(_of_type(topics, topic.type_name), topic.key)
    remedy = f"set {topic.parameter}, e.g. --set {topic.parameter}={(fitting or ['/NAME'])[0]}"
    transports = [t for t in ("compressedDepth", "compressed") if f"{name}/{t}" in topics]
    if transports:
        setting = f"{topic.key}_transport={transports[0]}"
        if setting not in _TRANSPORTS:
            setting = f"{topic.parameter}={name}/{transports[0]}"
        remedy = f"it is compressed: --set {setting}"
    elif topic.key == "rgb":
        remedy += ", or do without: --set use_rgb=false"
    return f"{bag}: no topic {name} for {topic.key}; {remedy}. {_has(topic, fitting, topics)}"


def _has(topic: InputTopic, fitting: list[str], topics: Mapping[str, str]) -> str:
    """Return what a bag has instead of a topic: those of its type, else the first of all."""
    if fitting:
        others = len(topics) - len(fitting)
        rest = f", and {others} topics of other types" if others else ""
        return f"Of type {topic.type_name} the bag has: {_listed(fitting)}{rest}"
    all_topics = [f"{n} ({type_name})" for n, type_name in sorted(topics.items())]
    return f"The bag has: {_listed(all_topics) or 'no topic'}"


def _of_type(topics: Mapping[str, str], type_name: str) -> list[str]:
    return sorted(name for name, other in topics.items() if other == type_name)


def _likeliest_first(names: list[str], topic_key: str) -> list[str]:
    """Return names with those first that speak of the input; librealsense has its own words."""
    words = _WORDS.get(topic_key, (topic_key,))
    return sorted(names, key=lambda name: -sum(word in name.lower() for word in words))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"{', '.join(names[:_MOST_LISTED])}{more}"
