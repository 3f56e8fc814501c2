"""The scene node, brought up to active: `ros2 launch iscene_ros scene.launch.py`."""

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

SHARE = FindPackageShare("iscene_ros")
TF = ("tf", "tf_static")
INPUTS = ("rgb", "depth", "camera_info", "instances", "detections", "camera_pose")
# Given on the command line, these win over the parameter file.
OVERRIDES = ("world_frame", "model", "device")


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the node, with RViz if wanted."""
    arguments = {
        "namespace": ("", "namespace of the node and of its input topics"),
        "params_file": (
            PathJoinSubstitution([SHARE, "config", "scene.yaml"]),
            "parameters, see config/scene.yaml",
        ),
        "world_frame": ("", "frame of all outputs, z up (default: the parameter file's)"),
        "model": ("", "name or path of the model (default: the parameter file's)"),
        "device": ("", "auto, cpu or cuda (default: the parameter file's)"),
        "use_sim_time": ("false", "take the time from /clock"),
        "autostart": ("true", "configure and activate the node"),
        "log_level": ("info", "debug, info, warn, error"),
        "rviz": ("false", "show the scene in RViz"),
    }
    arguments |= {name: (name, f"input topic {name}") for name in INPUTS}
    arguments |= {name: (f"/{name}", f"topic {name}, such as /robot1/{name}") for name in TF}
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in arguments.items()
    ]
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", PathJoinSubstitution([SHARE, "config", "scene.rviz"])],
        parameters=[{"use_sim_time": LaunchConfiguration("use_sim_time")}],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return LaunchDescription([*declared, OpaqueFunction(function=_scene_node), rviz])


def _scene_node(context: LaunchContext) -> list:
    def argument(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    remappings = [(name, argument(name)) for name in INPUTS if argument(name) != name]
    remappings += [(f"/{name}", argument(name)) for name in TF if argument(name) != f"/{name}"]
    transports = [("rgb", "compressed"), ("depth", "compressedDepth")]
    for name, transport in transports:
        if argument(name) != name:
            remappings.append((f"{name}/{transport}", f"{argument(name)}/{transport}"))
    overrides = {name: argument(name) for name in OVERRIDES if argument(name)}
    overrides["use_sim_time"] = argument("use_sim_time").lower() in ("true", "1")
    node = LifecycleNode(
        package="iscene_ros",
        executable="scene_node",
        name="iscene",
        namespace=argument("namespace"),
        parameters=[argument("params_file"), overrides],
        remappings=remappings,
        arguments=["--ros-args", "--log-level", argument("log_level")],
        output="screen",
    )
    if argument("autostart").lower() not in ("true", "1"):
        return [node]
    return [*_autostart(node), node]


def _autostart(node: LifecycleNode) -> list:
    """Configure once the process runs, activate once configured; the same on every distribution."""

    def change(transition_id: int) -> EmitEvent:
        matcher = matches_action(node)
        return EmitEvent(
            event=ChangeState(lifecycle_node_matcher=matcher, transition_id=transition_id)
        )

    started = OnProcessStart(target_action=node, on_start=[change(Transition.TRANSITION_CONFIGURE)])
    configured = OnStateTransition(
        target_lifecycle_node=node,
        start_state="configuring",
        goal_state="inactive",
        entities=[change(Transition.TRANSITION_ACTIVATE)],
        handle_once=True,  # who configures the node again later may want it inactive
    )
    failed = OnStateTransition(
        target_lifecycle_node=node,
        start_state="configuring",
        goal_state="unconfigured",
        entities=[LogInfo(msg="iscene could not be configured; its log and /diagnostics say why")],
    )
    return [RegisterEventHandler(handler) for handler in (started, configured, failed)]
