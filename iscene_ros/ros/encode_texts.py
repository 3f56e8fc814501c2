"""The scene graph as text: std_msgs/String with a scene.json document."""

from __future__ import annotations

from typing import Any

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.io.map_document import scene_graph_document
from iscene_ros.io.scene_json import dumps
from iscene_ros.ros.messages import MessageTypes

STRING_TYPE = "std_msgs/msg/String"


def scene_graph_json(update: SceneUpdate, meshes_topic: str, inline: bool) -> str:
    """The world as scene.json, for programs and people; see `scene_graph_document`."""
    return dumps(scene_graph_document(update, meshes_topic, inline))


def encode_string(types: MessageTypes, text: str) -> Any:
    """A std_msgs/String."""
    return types.make(STRING_TYPE, data=text)
