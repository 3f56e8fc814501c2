"""The scene node, brought up to active: `ros2 launch iscene_ros scene.launch.py`."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("iscene_ros")
TF = ("tf", "tf_static")
INPUTS = ("rgb", "depth", "camera_info", "instances", "detections", "camera_pose")
# Given on the command line, these win over the parameter file.
OVERRIDES = ("world_frame", "model", "device")
SWITCHES = ("use_sim_time", "autostart")


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
    overrides |= {name: argument(name).lower() in ("true", "1") for name in SWITCHES}
    node = Node(
        package="iscene_ros",
        executable="scene_node",
        name="iscene",
        namespace=argument("namespace"),
        parameters=[argument("params_file"), overrides],
        remappings=remappings,
        arguments=["--ros-args", "--log-level", argument("log_level")],
        output="screen",
    )
    return [node]
