"""Decoded inputs of a session: made-up transforms, and the messages of an observation."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.core.observation import Observation
from iscene_ros.core.stamps import SECOND
from iscene_ros.session.inputs import (
    ColorImage,
    DepthImage,
    InstanceImage,
    Intrinsics,
    TransformSample,
)

CAMERA_FRAME = "camera_color_optical_frame"
START_NS = 1_700_000_000 * SECOND
MS = SECOND // 1000


def pose(x: float = 0, y: float = 0, z: float = 0, turn: tuple[float, ...] = (0, 0, 0)):
    """(4, 4) rigid transform of a position [m] and Euler angles xyz [degrees]."""
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    transform[:3, 3] = x, y, z
    return transform


def transform(
    parent: str, child: str, stamp_ns: int = START_NS, static: bool = False, matrix=None
) -> TransformSample:
    """A transform sample; the identity by default."""
    matrix = np.eye(4) if matrix is None else matrix
    return TransformSample(stamp_ns, parent, child, matrix, static)


def label_image(observation: Observation) -> np.ndarray:
    """(H, W) int32 ids 1 to N; where masks overlap, the last one wins."""
    ids = np.zeros(observation.depth.shape, np.int32)
    for number, mask in enumerate(observation.masks, 1):
        ids[mask] = number
    return ids


def frame_messages(
    observation: Observation, stamp_ns: int = START_NS, frame_id: str = CAMERA_FRAME
):
    """The messages of one frame, as a camera and a segmentation would send them."""
    rgb = observation.rgb
    if rgb is None:
        rgb = np.zeros((*observation.depth.shape, 3), np.uint8)
    return [
        Intrinsics(stamp_ns, frame_id, observation.camera),
        ColorImage(stamp_ns, frame_id, rgb),
        DepthImage(stamp_ns, frame_id, observation.depth),
        InstanceImage(stamp_ns, frame_id, label_image(observation)),
    ]
