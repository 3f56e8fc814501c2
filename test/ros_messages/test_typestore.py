"""Definitions of messages that rosbags lacks."""

import json
import os
import random
import sys
from pathlib import Path

import pytest
from random_messages import random_message

from iscene_ros.ros.messages import DEFINITIONS, RclpyTypes, RosbagsTypes

TYPES = RosbagsTypes()
DEFINED = sorted(f"{p.parts[-3]}/msg/{p.stem}" for p in DEFINITIONS.glob("*/msg/*.msg"))
# Type hashes of the released packages (vision_msgs 4.1.1, moveit_msgs 2.6.0, plansys2_msgs 2.0.12
# on Jazzy, yolo_msgs 4.6.1); they cover every type inside.
RELEASED = {
    "moveit_msgs/msg/PlanningScene": (
        "0f58540ad5eab4b9ea827d53b763c793d8cabd202b3b301fcee25afa4ce1bd80"
    ),
    "plansys2_msgs/msg/Knowledge": (
        "f30b3e7fd160c49d5e4188195a1cb2ec12c8579492f735bc7314f9bc6f02172d"
    ),
    "vision_msgs/msg/Detection2DArray": (
        "214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968"
    ),
    "vision_msgs/msg/Detection3DArray": (
        "793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018"
    ),
    "yolo_msgs/msg/DetectionArray": (
        "719290b4e201b2b6f9aa59f01215bc15b774e7b822f7f6d931d68e5ba6354a6a"
    ),
}
# Types of the topics, to compare with an installed ROS where rosbags brings them itself.
STOCK = [
    "diagnostic_msgs/msg/DiagnosticArray",
    "geometry_msgs/msg/PoseStamped",
    "nav_msgs/msg/Odometry",
    "sensor_msgs/msg/CameraInfo",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/PointCloud2",
    "std_msgs/msg/String",
    "tf2_msgs/msg/TFMessage",
    "visualization_msgs/msg/MarkerArray",
]


@pytest.mark.parametrize("name", DEFINED)
def test_a_defined_type_survives_its_bytes(name):
    for seed in range(5):
        message = random_message(TYPES, name, random.Random(seed))
        data = TYPES.serialize(name, message)
        again = TYPES.serialize(name, TYPES.deserialize(name, data))
        assert again == data


@pytest.mark.parametrize("name", DEFINED)
def test_a_message_without_values_can_be_made(name):
    data = TYPES.serialize(name, TYPES.make(name))
    assert TYPES.serialize(name, TYPES.deserialize(name, data)) == data


@pytest.mark.parametrize("name", RELEASED)
def test_definitions_are_those_of_the_released_packages(name):
    assert TYPES.typestore.hash_rihs01(name) == f"RIHS01_{RELEASED[name]}"


@pytest.mark.parametrize("name", [*DEFINED, *STOCK])
def test_types_hash_as_the_installed_ros_says(name):
    package, _, kind = name.split("/")
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    prefixes.append(sys.prefix)  # of ROS by pip
    files = [Path(prefix, "share", package, "msg", f"{kind}.json") for prefix in prefixes]
    found = next(filter(Path.exists, files), None)
    if found is None:
        pytest.skip(f"{package} of ROS 2 is not installed or not sourced")
    hashes = {
        e["type_name"]: e["hash_string"] for e in json.loads(found.read_text())["type_hashes"]
    }
    assert TYPES.typestore.hash_rihs01(name) == hashes[name]


@pytest.mark.parametrize("name", [*DEFINED, *STOCK])
def test_rclpy_reads_and_writes_the_same_content(name):
    pytest.importorskip("rclpy", reason="ROS 2 is not installed or not sourced")
    pytest.importorskip(name.split("/")[0] + ".msg", reason=f"{name} is not installed")
    rclpy_types = RclpyTypes()
    for seed in range(5):
        message = random_message(TYPES, name, random.Random(seed))
        data = TYPES.serialize(name, message)
        again = rclpy_types.serialize(name, rclpy_types.deserialize(name, data))
        # Middlewares leave what they like between numbers and at the end.
        assert TYPES.serialize(name, TYPES.deserialize(name, again)) == data


def test_unknown_fields_and_types_are_named():
    with pytest.raises(AttributeError, match="no field sizes"):
        TYPES.make("vision_msgs/msg/BoundingBox3D", sizes=1)
    with pytest.raises(LookupError, match="no_msgs/msg/None"):
        TYPES.make("no_msgs/msg/None")
