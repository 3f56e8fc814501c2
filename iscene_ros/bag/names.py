"""Resolution of topic names as in the node, and the check that a bag has the input topics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iscene_ros.core.errors import InputError
from iscene_ros.ros.topics import TRANSFORM_KEYS, InputTopic, input_topics
from iscene_ros.session.settings import Settings

NODE_NAME = "iscene"
_MOST_LISTED = 30


def resolved(name: str) -> str:
    """Return the full name of a topic of the node: "rgb" is /rgb, "~/cloud" /iscene/cloud."""
    if name.startswith("~/"):
        return f"/{NODE_NAME}/{name[2:]}"
    return f"/{name.lstrip('/')}"


def found_inputs(bag: Path, topics: Mapping[str, str], settings: Settings) -> dict[str, InputTopic]:
    """Return the inputs that the settings ask for, by their names in a bag; TF may be absent.

    Args:
        bag: named in errors.
        topics: types by name of the topic.
        settings: which topics to read.

    Raises:
        InputError: a topic is missing or has another type; says what there is and what to set.
    """
    found = {}
    for topic in input_topics(settings):
        name = resolved(topic.name)
        if name in topics:
            _check_type(bag, topic, name, topics[name])
            found[name] = topic
        elif topic.key not in TRANSFORM_KEYS:
            raise InputError(_missing(bag, topic, name, topics))
    return found


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
    fitting = sorted(n for n, type_name in topics.items() if type_name == topic.type_name)
    remedy = f"set {topic.parameter}, e.g. --set {topic.parameter}={(fitting or ['/NAME'])[0]}"
    if topic.key == "rgb":
        if f"{name}/compressed" in topics:
            remedy = "it is compressed: --set rgb_transport=compressed"
        else:
            remedy += ", or do without: --set use_rgb=false"
    elif topic.key == "rgb_compressed":
        remedy += " without /compressed"
    listed = [f"{n} ({type_name})" for n, type_name in sorted(topics.items())]
    more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    has = f"{', '.join(listed[:_MOST_LISTED])}{more}" if listed else "no topic"
    return f"{bag}: no topic {name} for {topic.key}; {remedy}. The bag has: {has}"
