"""Decoding of transforms, PoseStamped and Odometry to rigid matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.ros.decode_header import decode_frame, decode_header, decode_stamp
from iscene_ros.session.inputs import PoseSample, TransformSample
from iscene_ros.session.rejection import RejectedInputError, RejectReason

# Largest deviation of the norm of a quaternion from 1; smaller ones are normalised.
NORM_TOLERANCE = 1e-2
# Largest coordinate [m]; those of UTM and ECEF on the ground are smaller.
FARTHEST_M = 1e8


def decode_transform(message: Any, static: bool) -> TransformSample:
    """Return one geometry_msgs/msg/TransformStamped of a TFMessage.

    The stamp of a static one is ignored and may be zero.

    Raises:
        RejectedInputError: STAMP; FRAME for an empty name or a frame in itself; POSE.
    """
    parent = decode_frame(message.header.frame_id, "header.frame_id")
    child = decode_frame(message.child_frame_id, "child_frame_id")
    if parent == child:
        raise RejectedInputError(
            RejectReason.FRAME,
            f"{child} is its own parent, expected two frames; check what publishes the transform",
        )
    transform = message.transform
    try:
        stamp_ns = 0 if static else decode_stamp(message.header.stamp)
        pose = rigid_matrix(transform.translation, transform.rotation)
    except RejectedInputError as error:
        raise RejectedInputError(error.reason, f"{parent} -> {child}: {error}") from error
    return TransformSample(stamp_ns, parent, child, pose, static)


def decode_pose(message: Any) -> PoseSample:
    """Return the pose of the camera's optical frame in a geometry_msgs/msg/PoseStamped.

    Raises:
        RejectedInputError: STAMP, FRAME or POSE.
    """
    stamp_ns, parent = decode_header(message.header, needs_frame=True)
    pose = rigid_matrix(message.pose.position, message.pose.orientation)
    return PoseSample(stamp_ns, parent, "", pose)


def decode_odometry(message: Any) -> PoseSample:
    """Return the pose of child_frame_id in a nav_msgs/msg/Odometry; empty = the camera's frame.

    Raises:
        RejectedInputError: STAMP, FRAME or POSE.
    """
    stamp_ns, parent = decode_header(message.header, needs_frame=True)
    child = message.child_frame_id
    child = decode_frame(child, "child_frame_id") if child != "" else ""
    if parent == child:
        raise RejectedInputError(
            RejectReason.FRAME,
            f"{child} is its own parent, expected two frames; check what publishes the odometry",
        )
    pose = message.pose.pose
    return PoseSample(stamp_ns, parent, child, rigid_matrix(pose.position, pose.orientation))


def rigid_matrix(position: Any, orientation: Any) -> np.ndarray:
    """Return the (4, 4) float64 rigid transform [m] of a position and a quaternion (x, y, z, w).

    By scipy, not tf_transformations: bags share the decoders and are read without ROS.

    Raises:
        RejectedInputError: POSE; not finite, too far away, or no unit quaternion.
    """
    translation = np.array([position.x, position.y, position.z], np.float64)
    xyzw = [orientation.x, orientation.y, orientation.z, orientation.w]
    quaternion = np.array(xyzw, np.float64)
    if not np.all(np.isfinite(translation)) or not np.all(np.isfinite(quaternion)):
        raise RejectedInputError(
            RejectReason.POSE,
            "pose is not finite, expected numbers; check what publishes it",
        )
    if np.any(np.abs(translation) > FARTHEST_M):
        raise RejectedInputError(
            RejectReason.POSE,
            f"position {np.abs(translation).max():.4g} m away, expected metres below "
            f"{FARTHEST_M:g}; check what publishes it",
        )
    with np.errstate(over="ignore"):
        norm = np.linalg.norm(quaternion)
    if not abs(norm - 1) <= NORM_TOLERANCE:
        raise RejectedInputError(
            RejectReason.POSE,
            f"quaternion of norm {norm:.4g}, expected 1 in the order x, y, z, w; check what "
            "publishes it",
        )
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    pose[:3, 3] = translation
    return pose
