"""The small geometry messages that every encoder needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.ros.messages import MessageTypes


def quaternion_xyzw(transform: np.ndarray) -> list[float]:
    """The rotation of a (4, 4) transform as x, y, z, w with w >= 0."""
    xyzw = Rotation.from_matrix(transform[:3, :3]).as_quat()
    return (xyzw if xyzw[3] >= 0 else -xyzw).tolist()


def vector_values(vector: np.ndarray) -> dict[str, float]:
    """x, y, z of a (3,) vector as plain numbers."""
    return dict(zip("xyz", np.asarray(vector, np.float64).tolist(), strict=True))


def encode_pose(types: MessageTypes, transform: np.ndarray) -> Any:
    """A geometry_msgs/Pose of a (4, 4) rigid transform [m]."""
    return types.make(
        "geometry_msgs/msg/Pose",
        position=types.make("geometry_msgs/msg/Point", **vector_values(transform[:3, 3])),
        orientation=encode_quaternion(types, transform),
    )


def encode_position(types: MessageTypes, position: np.ndarray) -> Any:
    """A geometry_msgs/Pose at a (3,) position [m], not turned."""
    return types.make(
        "geometry_msgs/msg/Pose",
        position=types.make("geometry_msgs/msg/Point", **vector_values(position)),
        orientation=types.make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
    )


def encode_quaternion(types: MessageTypes, transform: np.ndarray) -> Any:
    """A geometry_msgs/Quaternion of the rotation of a (4, 4) transform."""
    values = dict(zip("xyzw", quaternion_xyzw(transform), strict=True))
    return types.make("geometry_msgs/msg/Quaternion", **values)


def encode_vector(types: MessageTypes, vector: np.ndarray) -> Any:
    """A geometry_msgs/Vector3 of a (3,) vector."""
    return types.make("geometry_msgs/msg/Vector3", **vector_values(vector))


def encode_color(types: MessageTypes, color: np.ndarray, alpha: float) -> Any:
    """A std_msgs/ColorRGBA of a (3,) uint8 RGB and an opacity in [0, 1]."""
    red, green, blue = (int(channel) / 255 for channel in color)
    return types.make("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=float(alpha))
