"""Twins: instances of one view that have the same shape are further views of one another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.preprocess.crops import Evidence, SceneCrops, fit_crops
from iscene_ros.preprocess.depth_cleaning import clean_observation
from iscene_ros.preprocess.instance_views import cropped_view
from iscene_ros.preprocess.mask_cleaning import trim_bleeding_masks
from iscene_ros.preprocess.twin_agreement import ViewAgreement
from iscene_ros.preprocess.twin_motion import InstanceSurface, find_motion

# Instances with fewer readings have no certain twin.
MIN_READINGS = 100
# A motion is certain from this agreement and margin on, with a smaller share contradicted.
MIN_AGREEMENT, MIN_MARGIN, MOST_CONTRADICTED = 0.7, 0.1, 0.045
# An instance gains from a twin of which clearly more is seen: it shows at most this share of it.
WORSE_SEEN = 0.85
# The floor is the height that so small a share of the surroundings' points within reach is below.
FLOOR_REACH_M, FLOOR_SHARE, FLOOR_POINTS = 0.1, 0.05, 20
SURROUNDINGS_POINTS = 4000


@dataclass(frozen=True, eq=False)
class Twin:
    """An instance and one of the same shape that is seen better.

    Attributes:
        row, better_row: of the observation's masks.
        motion: (4, 4) float64, of the better seen one onto the other, gravity-aligned frame.
    """

    row: int
    better_row: int
    motion: np.ndarray


def with_twins(
    observation: Observation, aligned_frame: GravityAlignedFrame, evidence: Evidence
) -> Evidence:
    """Return the evidence and, for each instance with a better seen twin, the view of that one.

    The pose of such a view is moved so that it shows the twin where the instance is.

    Args:
        observation: rectified, with masks that do not overlap and a pose.
        aligned_frame: its gravity-aligned frame.
        evidence: further views of its instances.
    """
    found = dict(evidence)
    twins = list(find_twins(observation, aligned_frame))
    cleaned = clean_observation(observation, aligned_frame).observation if twins else observation
    for twin in twins:
        instance_id = observation.instance_ids[twin.row]
        # The view of the better seen one, its pose moved.
        view = cropped_view(cleaned, observation.instance_ids[twin.better_row])
        camera_from_aligned = aligned_frame.camera_from_aligned()
        motion_camera = camera_from_aligned @ twin.motion @ np.linalg.inv(camera_from_aligned)
        view = replace(
            view,
            instance_ids=(instance_id, 1 if instance_id != 1 else 2)[: len(view.masks)],
            world_from_camera=observation.world_from_camera @ motion_camera,
        )
        found[instance_id] = (*found.get(instance_id, ()), view)
    return found


def find_twins(observation: Observation, aligned_frame: GravityAlignedFrame) -> Iterator[Twin]:
    """Find the better seen twins of an observation's instances; see `with_twins`.

    Twins have the same label. Of each kind the instance that is seen best is the twin of those that
    are seen clearly worse.
    """
    # Readings at jumps of the depth stay: surfaces have to reach their edges, which hold them.
    observation = trim_bleeding_masks(observation)
    view = ViewAgreement.of(observation, aligned_frame)
    surfaces = _surfaces(observation, fit_crops(observation, aligned_frame))
    best_seen: list[int] = []
    for row in sorted(surfaces, key=lambda row: -surfaces[row].area):
        motions = {
            better: find_motion(view, surfaces[better], surfaces[row])
            for better in best_seen
            if observation.labels[better] == observation.labels[row]
        }
        certain = {
            better: motion
            for better, motion in motions.items()
            if motion is not None
            and motion.agreement >= MIN_AGREEMENT
            and motion.margin >= MIN_MARGIN
            and motion.contradicted <= MOST_CONTRADICTED
        }
        if certain:
            better = max(certain, key=lambda better: certain[better].agreement)
            if surfaces[row].area < WORSE_SEEN * surfaces[better].area:
                yield Twin(row, better, certain[better].motion)
        else:
            best_seen.append(row)


def _surfaces(observation: Observation, crops: SceneCrops) -> dict[int, InstanceSurface]:
    """Return what is seen of the instances with enough readings, by row of the masks."""
    readings = np.count_nonzero(observation.masks & (observation.depth > 0), axis=(1, 2))
    surroundings = _surroundings(observation, crops.aligned_frame)
    return {
        crop.index: InstanceSurface.of(
            crop.index + 1, crop.points_aligned, _floor(surroundings, crop.points_aligned)
        )
        for crop in crops.instances
        if readings[crop.index] >= MIN_READINGS
    }


def _surroundings(observation: Observation, aligned_frame: GravityAlignedFrame) -> np.ndarray:
    """Return points (M, 3) of what is no instance, in the gravity-aligned frame [m]."""
    rows, columns = np.nonzero(~observation.masks.any(axis=0) & (observation.depth > 0))
    step = max(1, len(rows) // SURROUNDINGS_POINTS)
    rows, columns = rows[::step], columns[::step]
    pixels = np.column_stack([columns, rows]).astype(np.float64)
    return aligned_frame.from_camera(
        observation.camera.unproject(pixels, observation.depth[rows, columns])
    )


def _floor(surroundings: np.ndarray, points: np.ndarray) -> float:
    """Return the height below which points cannot belong to an instance; -inf = unknown [m]."""
    low, high = points.min(axis=0) - FLOOR_REACH_M, points.max(axis=0) + FLOOR_REACH_M
    beside = np.all((surroundings[:, :2] > low[:2]) & (surroundings[:, :2] < high[:2]), axis=1)
    if np.count_nonzero(beside) < FLOOR_POINTS:
        return -np.inf
    return float(np.quantile(surroundings[beside, 2], FLOOR_SHARE))
