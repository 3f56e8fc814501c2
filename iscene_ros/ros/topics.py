"""Every topic that a session gives out, for the node, for bags and for the README."""

from __future__ import annotations

from dataclasses import dataclass

from iscene_ros.ros.encode_clouds import CLOUD_TYPE, LABELS_TYPE
from iscene_ros.ros.encode_diagnostics import DIAGNOSTICS_TYPE
from iscene_ros.ros.encode_images import IMAGE_TYPE
from iscene_ros.ros.encode_knowledge import KNOWLEDGE_TYPE
from iscene_ros.ros.encode_objects import DETECTIONS_TYPE, TRANSFORMS_TYPE
from iscene_ros.ros.encode_planning_scene import PLANNING_SCENE_TYPE
from iscene_ros.ros.encode_texts import STRING_TYPE
from iscene_ros.ros.mesh_markers import MARKERS_TYPE


@dataclass(frozen=True)
class OutputTopic:
    """One output.

    Attributes:
        name: "~/..." below the node, "/..." the same for all nodes; also what it is asked by.
        type_name: as "std_msgs/msg/String".
        latched: QoS reliable and transient local, depth 1: a late subscriber gets the newest
            message. Others are reliable and volatile.
        description: one sentence.
        optional: left out where the package of its type is not installed.
    """

    name: str
    type_name: str
    latched: bool
    description: str
    optional: bool = False


OBJECTS, MESHES, CLOUD, TF = "~/objects", "~/meshes", "~/cloud", "/tf"
SCENE_GRAPH, RELATIONS = "~/scene_graph", "~/relations"
RELATION_LABELS, RELATION_MARKERS = "~/relation_labels", "~/relation_markers"
OVERLAY, DIAGNOSTICS = "~/overlay", "/diagnostics"
PDDL_DOMAIN, PDDL_PROBLEM, KNOWLEDGE = "~/pddl_domain", "~/pddl", "~/knowledge"
PLANNING_SCENE = "~/planning_scene"

OUTPUTS = (
    OutputTopic(OBJECTS, DETECTIONS_TYPE, True, "box, pose, class and id of every object"),
    OutputTopic(
        MESHES,
        MARKERS_TYPE,
        True,
        "completed meshes, a TRIANGLE_LIST an object; namespace and id are its name and id",
    ),
    OutputTopic(
        CLOUD,
        CLOUD_TYPE,
        True,
        "points of the completed surfaces: x, y, z, rgb, object_id, observed (1 seen, 0 completed)",
    ),
    OutputTopic(TF, TRANSFORMS_TYPE, False, "a frame for every object"),
    OutputTopic(
        SCENE_GRAPH, STRING_TYPE, True, "objects and relations as JSON, see scene.schema.json"
    ),
    OutputTopic(
        RELATIONS, CLOUD_TYPE, True, "the relations, one a row: subject, object, predicate, score"
    ),
    OutputTopic(
        RELATION_LABELS, LABELS_TYPE, True, "the name of each predicate number of ~/relations"
    ),
    OutputTopic(
        RELATION_MARKERS,
        MARKERS_TYPE,
        True,
        "support, containment, leaning and blocking as named arrows",
    ),
    OutputTopic(PDDL_DOMAIN, STRING_TYPE, True, "types, predicates and actions for task planners"),
    OutputTopic(
        PDDL_PROBLEM, STRING_TYPE, True, "the relations as facts of a PDDL problem of that domain"
    ),
    OutputTopic(
        KNOWLEDGE,
        KNOWLEDGE_TYPE,
        True,
        "the same for PlanSys2, where plansys2_msgs is installed",
        optional=True,
    ),
    OutputTopic(
        OVERLAY, IMAGE_TYPE, False, "the image with its masks and outlines of completed objects"
    ),
    OutputTopic(
        PLANNING_SCENE,
        PLANNING_SCENE_TYPE,
        False,
        "what changed, as collision objects for MoveIt, where moveit_msgs is installed",
        optional=True,
    ),
    OutputTopic(
        DIAGNOSTICS, DIAGNOSTICS_TYPE, False, "how the session does; what was rejected, and why"
    ),
)


def output_topic(name: str) -> OutputTopic:
    """The output of a name.

    Raises:
        KeyError: there is none.
    """
    return {topic.name: topic for topic in OUTPUTS}[name]
