"""Instances through which the depth sensor reads what lies behind them, such as glass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Plane

# Readings within this distance of a plane, and within its noise, lie on it [m].
ON_PLANE_M, ON_PLANE_SIGMAS = 0.012, 3.0
# Shares of an instance's readings that lie on a plane of the surroundings: an opaque object has
# fewer; a flat one that lies on the plane has more, and is not told from glass that does.
SUSPECT_SHARES = (0.4, 0.8)
# Masks are a few pixels off; their rims show the surroundings anyway [pixels of 640].
RIM_PIXELS, REFERENCE_WIDTH = 3.0, 640
MIN_READINGS = 30


def drop_readings_behind(
    observation: Observation, planes: Sequence[Plane]
) -> tuple[Observation, frozenset[int]]:
    """Return the observation without readings through suspects, and the suspects' instance ids.

    Args:
        observation: rectified, with masks that do not overlap.
        planes: of its surroundings, in the camera frame.
    """
    depth, suspects = observation.depth, set()
    for instance_id, mask in zip(observation.instance_ids, observation.masks, strict=True):
        on_plane = _readings_on_a_plane(observation, mask, planes)
        if on_plane is not None:
            suspects.add(instance_id)
            depth = np.where(on_plane, np.float32(0), depth)
    if not suspects:
        return observation, frozenset()
    return observation.with_depth(depth), frozenset(suspects)


def _readings_on_a_plane(
    observation: Observation, mask: np.ndarray, planes: Sequence[Plane]
) -> np.ndarray | None:
    """Return the pixels (H, W) of a suspect whose readings lie on a plane; None for no suspect."""
    rim = max(1, round(RIM_PIXELS * observation.camera.width / REFERENCE_WIDTH))
    inner = ndimage.binary_erosion(mask, iterations=rim) & (observation.depth > 0)
    if np.count_nonzero(inner) < MIN_READINGS:
        return None
    rows, columns = np.nonzero(mask & (observation.depth > 0))
    points = observation.camera.unproject(
        np.column_stack([columns, rows]).astype(np.float64), observation.depth[rows, columns]
    )
    counted = inner[rows, columns]
    low, high = SUSPECT_SHARES
    for plane in planes:
        tolerance = max(ON_PLANE_SIGMAS * plane.sigma, ON_PLANE_M)
        lies_on = np.abs(points @ plane.normal + plane.offset) < tolerance
        lies_on &= plane.reaches(points)
        if low <= lies_on[counted].mean() < high:
            pixels = np.zeros_like(mask)
            pixels[rows[lies_on], columns[lies_on]] = True
            return pixels
    return None


def suspect_warning(label: str, instance_id: int) -> str:
    """Return the line that says what was found."""
    return (
        f"{label} {instance_id}: much of its depth lies on the surface behind it; is it "
        "transparent or shiny? Its mesh is a guess"
    )
