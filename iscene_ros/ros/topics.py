"""Every topic that a session gives out, for the node, for bags and for the README."""

from __future__ import annotations

from dataclasses import dataclass

from iscene_ros.ros.encode_clouds import CLOUD_TYPE, LABELS_TYPE
from iscene_ros.ros.encode_diagnostics import DIAGNOSTICS_TYPE
from iscene_ros.ros.encode_images import IMAGE_TYPE
from iscene_ros.ros.encode_objects import DETECTIONS_TYPE, TRANSFORMS_TYPE
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
    """

    name: str
    type_name: str
    latched: bool
    description: str


OBJECTS, MESHES, CLOUD, TF = "~/objects", "~/meshes", "~/cloud", "/tf"
SCENE_GRAPH, RELATIONS = "~/scene_graph", "~/relations"
RELATION_LABELS, RELATION_MARKERS = "~/relation_labels", "~/relation_markers"
OVERLAY, DIAGNOSTICS = "~/overlay", "/diagnostics"

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
        RELATION_MARKERS, MARKERS_TYPE, True, "the relations as named arrows between objects"
    ),
    OutputTopic(
        OVERLAY, IMAGE_TYPE, False, "the image with its masks and outlines of completed objects"
    ),
    OutputTopic(
        DIAGNOSTICS, DIAGNOSTICS_TYPE, False, "how the session does; what was refused, and why"
    ),
)


def output_topic(name: str) -> OutputTopic:
    """The output of a name.

    Raises:
        KeyError: there is none.
    """
    return {topic.name: topic for topic in OUTPUTS}[name]
