"""The score of a grasp: the probability that it lifts the object, from a few of its features."""

from __future__ import annotations

import numpy as np

from iscene_ros.planning.grasp_candidates import Candidates
from iscene_ros.planning.grasp_coefficients import COEFFICIENTS

# Names of the features, in the order of the coefficients.
FEATURES = ("alignment", "patch", "sigma", "observed", "arm", "confidence", "tilt", "room")
# Units in which features are of the order of one [m].
SIGMA_UNIT_M, ARM_UNIT_M = 0.01, 0.1
# Standard deviation of a gripper's place beside that of the surface [m], and the most room.
PLACE_SIGMA_M, MOST_ROOM = 0.001, 4.0


def grasp_features(
    found: Candidates, center: np.ndarray, up: np.ndarray | None, confidence: float
) -> np.ndarray:
    """Return (N, 8) features of grasps of one object.

    Args:
        found: the grasps.
        center: (3,) centre of mass in the scene's frame [m].
        up: (3,) against gravity; None = unknown, the centre's whole distance is its arm then.
        confidence: of the completed object, in [0, 1].
    """
    arm = center - found.frame_from_grasp[:, :3, 3]
    axis = found.frame_from_grasp[:, :3, 0]
    arm = arm - np.einsum("ij,ij->i", arm, axis)[:, None] * axis
    if up is None:
        turning, tilt = np.linalg.norm(arm, axis=1), np.zeros(len(found))
    else:
        # Gravity turns the object about the axis between the pads.
        turning = np.abs(np.einsum("ij,ij->i", np.cross(arm, up), axis))
        tilt = np.abs(axis @ up)
    # Free space beside the object in standard deviations: less of it, more collisions.
    room = 0.5 * (found.opening - found.width) / (found.sigma + PLACE_SIGMA_M)
    return np.column_stack(
        [
            found.alignment,
            np.sqrt(found.patch),
            np.minimum(found.sigma / SIGMA_UNIT_M, 3.0),
            found.observed,
            np.minimum(turning / ARM_UNIT_M, 3.0),
            np.full(len(found), confidence),
            tilt,
            np.minimum(room, MOST_ROOM),
        ]
    )


def success_probability(features: np.ndarray) -> np.ndarray:
    """Return (N,) probabilities of success of features (N, K)."""
    total = COEFFICIENTS[0] + features @ np.array(COEFFICIENTS[1:])
    return 1 / (1 + np.exp(-np.clip(total, -30, 30)))
