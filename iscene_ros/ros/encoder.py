"""From a scene update to the message of any output topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.planning.collision_objects import CollisionObjectCache
from iscene_ros.planning.planning_scene_tracker import PlanningSceneTracker
from iscene_ros.ros import topics
from iscene_ros.ros.encode_clouds import encode_cloud, encode_relation_labels, encode_relations
from iscene_ros.ros.encode_images import encode_overlay
from iscene_ros.ros.encode_knowledge import (
    encode_knowledge,
    encode_pddl_domain,
    encode_pddl_problem,
)
from iscene_ros.ros.encode_markers import encode_relation_markers
from iscene_ros.ros.encode_objects import encode_detections3d, encode_transforms
from iscene_ros.ros.encode_planning_scene import encode_planning_scene
from iscene_ros.ros.encode_texts import encode_string, scene_graph_json
from iscene_ros.ros.meshes_cdr import meshes_cdr
from iscene_ros.ros.messages import MessageTypes
from iscene_ros.session.settings import Settings
from iscene_ros.session.surface_cloud import surface_cloud


class Encoder:
    """Makes the messages of all outputs but /diagnostics, which tells of no update.

    Args:
        types: whose messages.
        settings: opacity, points, inline meshes; may be replaced at any time.
        meshes_topic: resolved name of ~/meshes, to which ~/scene_graph refers.
    """

    def __init__(
        self, types: MessageTypes, settings: Settings, meshes_topic: str = topics.MESHES
    ) -> None:
        self.types = types
        self.settings = settings
        self.meshes_topic = meshes_topic
        self.pictures = CollisionObjectCache()
        self._told = PlanningSceneTracker()
        self._encoders: dict[str, Callable[[SceneUpdate], Any]] = {
            topics.OBJECTS: lambda update: encode_detections3d(types, update),
            topics.MESHES: self._meshes,
            topics.CLOUD: self._cloud,
            topics.TF: lambda update: encode_transforms(types, update),
            topics.SCENE_GRAPH: self._scene_graph,
            topics.RELATIONS: lambda update: encode_relations(types, update),
            topics.RELATION_LABELS: lambda update: encode_relation_labels(types, update),
            topics.RELATION_MARKERS: lambda update: encode_relation_markers(types, update),
            topics.PDDL_DOMAIN: lambda update: encode_pddl_domain(types),
            topics.PDDL_PROBLEM: lambda update: encode_pddl_problem(types, update),
            topics.KNOWLEDGE: lambda update: encode_knowledge(types, update),
            topics.PLANNING_SCENE: self._planning_scene,
            topics.OVERLAY: lambda update: encode_overlay(types, update),
        }

    def encode(self, topic: str, update: SceneUpdate) -> Any:
        """The message of a topic, or its CDR bytes where those are faster to make (meshes).

        Publishers of rclpy take both. ~/planning_scene tells what has changed since it was encoded
        last; others depend on nothing but the update.

        Args:
            topic: name of one of `topics.OUTPUTS`, not /diagnostics.
            update: the world.

        Raises:
            KeyError: no such topic.
            LookupError: the package of its type is not installed.
        """
        return self._encoders[topic](update)

    def encode_cdr(self, topic: str, update: SceneUpdate) -> bytes:
        """The CDR bytes of a topic, for bags; see `encode`."""
        made = self.encode(topic, update)
        if isinstance(made, bytes):
            return made
        return self.types.serialize(topics.output_topic(topic).type_name, made)

    def tell_all(self) -> None:
        """The next ~/planning_scene holds everything: someone new listens."""
        self._told.forget()

    def _planning_scene(self, update: SceneUpdate) -> Any:
        difference = self._told.difference(self.pictures.picture(update, self.settings))
        self._told.confirm(difference)
        return encode_planning_scene(self.types, difference)

    def _meshes(self, update: SceneUpdate) -> bytes:
        return meshes_cdr(update, self.settings.marker_alpha)

    def _cloud(self, update: SceneUpdate) -> Any:
        return encode_cloud(self.types, update, surface_cloud(update, self.settings.cloud_points))

    def _scene_graph(self, update: SceneUpdate) -> Any:
        text = scene_graph_json(update, self.meshes_topic, self.settings.inline_meshes)
        return encode_string(self.types, text)
