"""Every topic that the node and `iscene bag` read and write, by name, type and QoS."""

from __future__ import annotations

from dataclasses import dataclass

from iscene_ros.ros.common_messages import IMAGE_TYPE, STRING_TYPE
from iscene_ros.ros.encode_cloud import CLOUD_TYPE
from iscene_ros.ros.encode_grasps import GRASPS_TYPE
from iscene_ros.ros.encode_objects import DETECTIONS_TYPE, TRANSFORMS_TYPE
from iscene_ros.ros.encode_planning_scene import PLANNING_SCENE_TYPE
from iscene_ros.ros.mesh_markers import MARKERS_TYPE
from iscene_ros.session.settings import Settings

KNOWLEDGE_TYPE = "plansys2_msgs/msg/Knowledge"
DIAGNOSTICS_TYPE = "diagnostic_msgs/msg/DiagnosticArray"
_INPUT_TYPES = {
    "rgb": "sensor_msgs/msg/Image",
    "rgb_compressed": "sensor_msgs/msg/CompressedImage",
    "depth": "sensor_msgs/msg/Image",
    "depth_compressed": "sensor_msgs/msg/CompressedImage",
    "camera_info": "sensor_msgs/msg/CameraInfo",
    "instances": "sensor_msgs/msg/Image",
    "instances_compressed": "sensor_msgs/msg/CompressedImage",
    "tf": "tf2_msgs/msg/TFMessage",
    "tf_static": "tf2_msgs/msg/TFMessage",
}
_DETECTION_TYPES = {
    "vision_msgs": "vision_msgs/msg/Detection2DArray",
    "yolo_msgs": "yolo_msgs/msg/DetectionArray",
}
_POSE_TYPES = {"pose": "geometry_msgs/msg/PoseStamped", "odometry": "nav_msgs/msg/Odometry"}
TRANSFORM_KEYS = ("tf", "tf_static")
_TRANSPORTS = ("/compressed", "/compressedDepth")
INPUT_KEYS = (*_INPUT_TYPES, "detections", "camera_pose")


@dataclass(frozen=True)
class InputTopic:
    """One input topic.

    Attributes:
        key: name of the input within this package, one of `INPUT_KEYS`.
        name: name of the topic in the settings, relative or absolute.
        type_name: message type.
        parameter: ROS parameter that names the topic.
    """

    key: str
    name: str
    type_name: str
    parameter: str


@dataclass(frozen=True)
class OutputTopic:
    """One output topic.

    Attributes:
        name: "~/..." below the node, "/..." the same for all nodes.
        type_name: as "std_msgs/msg/String".
        latched: QoS reliable and transient local, depth 1: a late subscriber gets the newest
            message. Others are reliable and volatile.
        description: for the documents, without full stop.
        optional: left out where the package of its type is not installed.
    """

    name: str
    type_name: str
    latched: bool
    description: str
    optional: bool = False


OBJECTS, MESHES, CLOUD, TF = "~/objects", "~/meshes", "~/cloud", "/tf"
ENVIRONMENT = "~/environment"
SCENE_GRAPH, RELATION_MARKERS = "~/scene_graph", "~/relation_markers"
OVERLAY, DIAGNOSTICS = "~/overlay", "/diagnostics"
PDDL_DOMAIN, PDDL_PROBLEM, KNOWLEDGE = "~/pddl_domain", "~/pddl", "~/knowledge"
PLANNING_SCENE = "~/planning_scene"
GRASPS, GRASP_MARKERS = "~/grasps", "~/grasp_markers"

OUTPUTS = (
    OutputTopic(OBJECTS, DETECTIONS_TYPE, True, "box, pose, class and id of every object"),
    OutputTopic(
        MESHES,
        MARKERS_TYPE,
        True,
        "completed meshes, a TRIANGLE_LIST an object; namespace and id are its name and id",
    ),
    OutputTopic(
        ENVIRONMENT,
        MARKERS_TYPE,
        True,
        "what is no object, fused from all frames to one TRIANGLE_LIST, where open3d is installed",
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
        GRASPS,
        GRASPS_TYPE,
        True,
        "grasps of one object, the best first; empty while none are planned",
    ),
    OutputTopic(GRASP_MARKERS, MARKERS_TYPE, True, "the gripper at the best grasp of each object"),
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
    """Return the output topic of a name.

    Raises:
        KeyError: there is no such topic.
    """
    return {topic.name: topic for topic in OUTPUTS}[name]


def input_type(topic_key: str, settings: Settings) -> str | None:
    """Return the message type of an input; None where the settings do not use it.

    Raises:
        KeyError: not one of `INPUT_KEYS`.
    """
    if topic_key == "detections":
        return _DETECTION_TYPES.get(settings.detections)
    if topic_key == "camera_pose":
        return _POSE_TYPES.get(settings.pose_source)
    return _INPUT_TYPES[topic_key]


def input_topics(settings: Settings) -> tuple[InputTopic, ...]:
    """Return the inputs that the settings ask for."""
    names = {
        "tf_static": settings.topics_tf_static,
        "tf": settings.topics_tf,
        "camera_info": settings.topics_camera_info,
    }
    if settings.use_rgb:
        names |= _image("rgb", settings.topics_rgb, settings.rgb_transport)
    names |= _image("depth", settings.topics_depth, settings.depth_transport)
    if settings.masks_from == "instances":
        names |= _image("instances", settings.topics_instances, "raw")
    if settings.detections != "none":
        names["detections"] = settings.topics_detections
    if settings.pose_source != "tf":
        names["camera_pose"] = settings.topics_camera_pose
    return tuple(
        InputTopic(
            key, name, input_type(key, settings), f"topics.{key.removesuffix('_compressed')}"
        )
        for key, name in names.items()
    )


def _image(key: str, name: str, transport: str) -> dict[str, str]:
    """Return key and topic of an image; a name that ends in its transport stands for itself."""
    if name.endswith(_TRANSPORTS):
        return {f"{key}_compressed": name}
    return {key: name} if transport == "raw" else {f"{key}_compressed": f"{name}/{transport}"}
