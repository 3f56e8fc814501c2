"""A real robot frame through the node: `ros2 launch iscene_ros demo.launch.py`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("iscene_ros")
PASSED_ON = ("namespace", "params_file", "model", "device", "autostart", "log_level", "rviz")


def generate_launch_description() -> LaunchDescription:
    """Return the replay node and the scene node, with RViz if wanted."""
    arguments = {
        "rate": ("2.0", "frames a second"),
        "namespace": ("", "namespace of both nodes"),
        "params_file": (
            PathJoinSubstitution([SHARE, "config", "demo.yaml"]),
            "parameters of the scene node",
        ),
        "model": ("", "name or path of the model"),
        "device": ("", "auto, cpu or cuda"),
        "autostart": ("true", "configure and activate the scene node"),
        "log_level": ("info", "debug, info, warn, error"),
        "rviz": ("false", "show the scene in RViz"),
    }
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in arguments.items()
    ]
    replay = Node(
        package="iscene_ros",
        executable="replay_node",
        name="replay",
        namespace=LaunchConfiguration("namespace"),
        parameters=[{"rate": ParameterValue(LaunchConfiguration("rate"), value_type=float)}],
        output="screen",
    )
    scene = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([SHARE, "launch", "scene.launch.py"])),
        launch_arguments={name: LaunchConfiguration(name) for name in PASSED_ON}.items(),
    )
    return LaunchDescription([*declared, replay, scene])
