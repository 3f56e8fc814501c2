"""The message of every output topic: the scene for most of them, the status for /diagnostics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iscene_ros.core.scene_update import SceneUpdate
from iscene_ros.io.map_document import scene_graph_document
from iscene_ros.io.scene_json import dumps
from iscene_ros.planning.collision_objects import CollisionObjectCache
from iscene_ros.planning.grasp_cache import GraspCache, PlannedGrasps
from iscene_ros.planning.pddl import (
    HAND_EMPTY,
    pddl_domain,
    pddl_facts,
    pddl_goal,
    pddl_names,
    pddl_problem,
)
from iscene_ros.planning.planning_scene_tracker import PlanningSceneTracker
from iscene_ros.ros import topics
from iscene_ros.ros.common_messages import encode_image, encode_string
from iscene_ros.ros.encode_cloud import encode_cloud
from iscene_ros.ros.encode_grasps import encode_grasp_markers, encode_grasp_poses
from iscene_ros.ros.encode_objects import encode_detections3d, encode_transforms
from iscene_ros.ros.encode_planning_scene import encode_planning_scene
from iscene_ros.ros.mesh_markers import environment_cdr, meshes_cdr
from iscene_ros.ros.messages import MessageTypes
from iscene_ros.ros.relation_markers import encode_relation_markers
from iscene_ros.session.settings import Settings
from iscene_ros.session.status import Status
from iscene_ros.viz.overlay import draw_overlay

# diagnostic_msgs/DiagnosticStatus: OK, WARN, ERROR.
_LEVELS = {"ok": 0, "warn": 1, "error": 2}


class Encoder:
    """Makes the messages of all outputs but /diagnostics.

    The settings may be replaced at any time; `meshes_topic` is the resolved name of ~/meshes, to
    which ~/scene_graph refers.
    """

    def __init__(
        self, types: MessageTypes, settings: Settings, meshes_topic: str = topics.MESHES
    ) -> None:
        self.types = types
        self.settings = settings
        self._meshes_topic = meshes_topic
        self.collision_objects = CollisionObjectCache()
        self._planning_tracker = PlanningSceneTracker()
        self._grasp_cache = GraspCache()
        self._encoders: dict[str, Callable[[SceneUpdate], Any]] = {
            topics.OBJECTS: lambda update: encode_detections3d(types, update),
            topics.MESHES: lambda update: meshes_cdr(update, self.settings.marker_alpha),
            topics.ENVIRONMENT: lambda update: environment_cdr(update, self.settings.marker_alpha),
            topics.CLOUD: lambda update: encode_cloud(types, update, self.settings.cloud_points),
            topics.TF: lambda update: encode_transforms(types, update),
            topics.SCENE_GRAPH: self._scene_graph,
            topics.RELATION_MARKERS: lambda update: encode_relation_markers(types, update),
            topics.PDDL_DOMAIN: self._pddl_domain,
            topics.PDDL_PROBLEM: self._pddl_problem,
            topics.KNOWLEDGE: self._knowledge,
            topics.GRASPS: lambda update: encode_grasp_poses(types, update, self._planned(update)),
            topics.GRASP_MARKERS: lambda update: encode_grasp_markers(
                types, update, self._planned(update)
            ),
            topics.OVERLAY: self._overlay,
        }

    def encode(
        self, topic: str, update: SceneUpdate, check: Callable[[], None] = lambda: None
    ) -> Any:
        """Return the message of a topic, or its CDR bytes where those are faster to make (meshes).

        Publishers of rclpy take both. ~/planning_scene holds what has changed since it was encoded
        last; the others depend on nothing but the update. For `check` see `CollisionObjectCache`.

        Raises:
            KeyError: no such topic, or /diagnostics.
            LookupError: the package of its type is not installed.
        """
        if topic == topics.PLANNING_SCENE:
            return self._planning_scene(update, check)
        return self._encoders[topic](update)

    def encode_cdr(self, topic: str, update: SceneUpdate) -> bytes:
        """Return the CDR bytes of a topic, for bags; see `encode`."""
        made = self.encode(topic, update)
        if isinstance(made, bytes):
            return made
        return self.types.serialize(topics.output_topic(topic).type_name, made)

    def restart_planning_scene(self) -> None:
        """Make the next ~/planning_scene hold all objects, for a new subscriber."""
        self._planning_tracker.forget()

    def _planning_scene(self, update: SceneUpdate, check: Callable[[], None]) -> Any:
        options = self.settings.collision_options()
        scene = self.collision_objects.collision_scene(update, options, check)
        difference = self._planning_tracker.difference(scene)
        self._planning_tracker.confirm(difference)
        return encode_planning_scene(self.types, difference)

    def _planned(self, update: SceneUpdate) -> PlannedGrasps:
        return self._grasp_cache.planned(update, self.settings.grasp_options())

    def _graspable(self, update: SceneUpdate) -> frozenset[int] | None:
        """Return the ids of the objects that a gripper can hold; None where not all are known."""
        if self.settings.grasps != "all":
            return None
        return frozenset(i for i, grasps in self._planned(update).grasps.items() if len(grasps))

    def _scene_graph(self, update: SceneUpdate) -> Any:
        document = scene_graph_document(update, self._meshes_topic, self.settings.inline_meshes)
        return encode_string(self.types, dumps(document))

    def _pddl_domain(self, update: SceneUpdate) -> Any:
        return encode_string(
            self.types, pddl_domain(update.graph, _pddl_names(update), self._graspable(update))
        )

    def _pddl_problem(self, update: SceneUpdate) -> Any:
        names, graspable = _pddl_names(update), self._graspable(update)
        return encode_string(
            self.types, pddl_problem(update.graph, names=names, graspable=graspable)
        )

    def _knowledge(self, update: SceneUpdate) -> Any:
        """Return a plansys2_msgs/Knowledge with objects, facts and goal of the PDDL problem."""
        names = _pddl_names(update)
        return self.types.make(
            topics.KNOWLEDGE_TYPE,
            instances=[*names.values()],
            predicates=[HAND_EMPTY, *pddl_facts(update.graph, names, self._graspable(update))],
            goal=f"(and ({pddl_goal(update.graph, None, names)}))",
        )

    def _overlay(self, update: SceneUpdate) -> Any:
        header = self.types.header(update.stamp_ns, update.camera_frame)
        return encode_image(self.types, header, draw_overlay(update), "rgb8")


def encode_diagnostics(
    types: MessageTypes, status: Status, name: str, hardware_id: str, stamp_ns: int
) -> Any:
    """Return a diagnostic_msgs/DiagnosticArray with one status.

    Its name is "<node>: <part>", as aggregators expect it; `hardware_id` is the model's device.
    """
    values = [
        types.make("diagnostic_msgs/msg/KeyValue", key=key, value=value)
        for key, value in status.values
    ]
    entry = types.make(
        "diagnostic_msgs/msg/DiagnosticStatus",
        level=types.byte(_LEVELS[status.level]),
        name=name,
        message=status.summary,
        hardware_id=hardware_id,
        values=values,
    )
    return types.make(topics.DIAGNOSTICS_TYPE, header=types.header(stamp_ns, ""), status=[entry])


def _pddl_names(update: SceneUpdate) -> dict[int, str]:
    """Return PDDL names by object id; 0 is the environment."""
    return pddl_names({tracked.id: tracked.name for tracked in update.objects})
