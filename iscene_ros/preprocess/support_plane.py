"""Gravity from the observation, else from the plane that the objects rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Plane
from iscene_ros.geometry.planes import find_planes

# The mean up direction of an upright camera that looks level to straight down. A floor or
# table lies within 45 degrees of it; the wall behind lies beyond as soon as the camera looks down.
EXPECTED_UP_CAMERA = np.array([0.0, -1.0, -1.0]) / np.sqrt(2.0)
MAX_ANGLE_RAD = np.deg2rad(75.0)
# A plane is taken for the support whatever the camera's roll where it holds more than this many
# times the readings of the best one for an upright camera, and this share of the instances rests on
# it: their lowest readings lie within the distance [m], the rest above.
ROLLED_SHARE, RESTING_SHARE, RESTING_M = 2.0, 0.6, 0.03
MIN_READINGS = 50


def find_gravity(
    observation: Observation, planes_camera: Sequence[Plane]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the (3,) unit gravity in the camera frame, and a warning where it was estimated.

    Args:
        observation: rectified.
        planes_camera: of its surroundings, in the camera frame.
    """
    if observation.gravity_camera is not None:
        return observation.gravity_camera, ()
    plane = support_plane(planes_camera)
    rolled = _support_of_any_roll(observation, planes_camera)
    if rolled is not None and (plane is None or rolled.share > ROLLED_SHARE * plane.share):
        plane = rolled
    if plane is None:
        # Masks may leave nothing of the support; what lies in them is flat at times, too.
        nothing = {"masks": observation.masks[:0], "labels": (), "scores": (), "instance_ids": ()}
        plane = support_plane(find_planes(replace(observation, **nothing)))
    if plane is None:
        level = np.array([0.0, 1.0, 0.0])
        return level, (
            "gravity: no pose, no --gravity and no support plane in the depth image; "
            "a level camera is assumed",
        )
    tilt = np.degrees(np.arccos(np.clip(plane.normal @ [0.0, 0.0, -1.0], -1, 1)))
    return -plane.normal, (
        f"gravity: no pose given; taken from the dominant support plane "
        f"({100 * plane.share:.0f} % of the points, tilted by {tilt:.0f} deg)",
    )


def support_plane(planes_camera: Sequence[Plane]) -> Plane | None:
    """Return the plane that objects rest on; None where none of them is plausible.

    Of the planes that could be a support it is the one with the most readings, weighted by how
    close its normal is to the expected up direction.

    Args:
        planes_camera: of the surroundings, in the camera frame.
    """

    def upward(plane: Plane) -> float:
        return float(plane.normal @ EXPECTED_UP_CAMERA)

    plausible = [plane for plane in planes_camera if upward(plane) > np.cos(MAX_ANGLE_RAD)]
    return max(plausible, key=lambda plane: plane.share * upward(plane), default=None)


def _support_of_any_roll(observation: Observation, planes_camera: Sequence[Plane]) -> Plane | None:
    """Return the strongest plane, if most instances with readings rest on it, else None."""
    plane = max(planes_camera, key=lambda plane: plane.share, default=None)
    if plane is None:
        return None
    resting = []
    for mask in observation.masks:
        rows, columns = np.nonzero(mask & (observation.depth > 0))
        if len(rows) >= MIN_READINGS:
            pixels = np.column_stack([columns, rows]).astype(np.float64)
            points = observation.camera.unproject(pixels, observation.depth[rows, columns])
            lowest = np.quantile(points @ plane.normal + plane.offset, 0.02)
            resting.append(abs(lowest) < RESTING_M)
    return plane if resting and np.mean(resting) >= RESTING_SHARE else None
