"""Messages that several encoders need: poses, colours, images, strings."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.ros.messages import MessageTypes

IMAGE_TYPE = "sensor_msgs/msg/Image"
STRING_TYPE = "std_msgs/msg/String"


def quaternion_xyzw(transform: np.ndarray) -> list[float]:
    """Return the rotation of a (4, 4) transform as x, y, z, w with w >= 0.

    By scipy, not tf_transformations: bags share the encoders and are written without ROS.
    """
    xyzw = Rotation.from_matrix(transform[:3, :3]).as_quat()
    return (xyzw if xyzw[3] >= 0 else -xyzw).tolist()


def vector_values(vector: np.ndarray) -> dict[str, float]:
    """Return x, y, z of a (3,) vector as plain numbers."""
    return dict(zip("xyz", np.asarray(vector, np.float64).tolist(), strict=True))


def encode_pose(types: MessageTypes, transform: np.ndarray) -> Any:
    """Return a geometry_msgs/Pose of a (4, 4) rigid transform [m]."""
    return types.make(
        "geometry_msgs/msg/Pose",
        position=types.make("geometry_msgs/msg/Point", **vector_values(transform[:3, 3])),
        orientation=_quaternion(types, transform),
    )


def encode_transform(
    types: MessageTypes, header: Any, child: str, parent_from_child: np.ndarray
) -> Any:
    """Return a geometry_msgs/TransformStamped of a (4, 4) rigid transform [m]."""
    transform = types.make(
        "geometry_msgs/msg/Transform",
        translation=encode_vector(types, parent_from_child[:3, 3]),
        rotation=_quaternion(types, parent_from_child),
    )
    return types.make(
        "geometry_msgs/msg/TransformStamped",
        header=header,
        child_frame_id=child,
        transform=transform,
    )


def encode_vector(types: MessageTypes, vector: np.ndarray) -> Any:
    """Return a geometry_msgs/Vector3 of a (3,) vector."""
    return types.make("geometry_msgs/msg/Vector3", **vector_values(vector))


def encode_color(types: MessageTypes, color: np.ndarray, alpha: float) -> Any:
    """Return a std_msgs/ColorRGBA of a (3,) uint8 RGB and an opacity in [0, 1]."""
    red, green, blue = (int(channel) / 255 for channel in color)
    return types.make("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=float(alpha))


def encode_image(types: MessageTypes, header: Any, pixels: np.ndarray, encoding: str) -> Any:
    """Return a sensor_msgs/Image of (H, W) or (H, W, C) pixels in this machine's byte order."""
    pixels = np.ascontiguousarray(pixels)
    return types.make(
        IMAGE_TYPE,
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=pixels.strides[0],
        data=types.byte_array(pixels),
    )


def encode_string(types: MessageTypes, text: str) -> Any:
    """Return a std_msgs/String."""
    return types.make(STRING_TYPE, data=text)


def _quaternion(types: MessageTypes, transform: np.ndarray) -> Any:
    values = dict(zip("xyzw", quaternion_xyzw(transform), strict=True))
    return types.make("geometry_msgs/msg/Quaternion", **values)
