"""Crops of the instances of one random scene, fused from several views with errors of pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from iscene_ros.core.frames import Cube, GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.lab.synthetic.random_cameras import pose_error
from iscene_ros.lab.synthetic.scene_views import DrawnScene, GroundTruthObject
from iscene_ros.preprocess.crops import InstanceCrop
from iscene_ros.preprocess.depth_cleaning import clean_observation
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps
from iscene_ros.preprocess.view_fusion import fuse
from iscene_ros.preprocess.view_readings import ObservationVolumes, PosedDepthView, read_view

# Share of the scenes whose poses are exact.
EXACT_SHARE = 0.3
# Largest standard deviations of the errors of further poses [m, degrees].
TRANSLATION_ERROR, ROTATION_ERROR = 0.005, 0.5


@dataclass(frozen=True, eq=False)
class CleanedView:
    """One view after the cleaning of the completion, with the crops of its instances.

    Attributes:
        observation: Rectified depth, with masks that do not overlap.
        crops: The instances' crops by the number of the object in the scene.
        rows: Row of the masks of each object that has one.
        aligned_frame: Frame of the crops.
        truths: All objects of the scene, in the camera frame.
    """

    observation: Observation
    crops: dict[int, InstanceCrop]
    rows: dict[int, int]
    aligned_frame: GravityAlignedFrame
    truths: list[GroundTruthObject]


def cleaned_view(drawn: DrawnScene) -> CleanedView:
    """Clean the observation of a drawn scene.

    Raises:
        InputError: The camera is within millimetres of something, or there is no mask at all.
    """
    observation = resolve_mask_overlaps(drawn.view().observation)
    aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    cleaned = clean_observation(observation, aligned_frame)
    objects = drawn.rows
    crops = {objects[crop.index]: crop for crop in cleaned.crops.instances}
    rows = {number: row for row, number in enumerate(objects)}
    return CleanedView(cleaned.observation, crops, rows, aligned_frame, drawn.ground_truth())


def fused_crops(
    views: list[CleanedView],
    objects: list[int],
    rng: np.random.Generator,
    resolution: int,
    truncation: float,
) -> tuple[list[Cube], ObservationVolumes]:
    """Return the cubes, in the first view's frame, and the fused readings of S objects.

    The objects have a crop in the first view; they may be in none of a further view's masks. The
    poses of the further views get errors.
    """
    reference = views[0]
    poses = _noisy_poses(views, rng)
    crops = [reference.crops[number] for number in objects]
    further = list(zip(views[1:], poses[1:], strict=True))
    cubes = [
        _cube_around(crop.cube, [_points_of(view, number, pose) for view, pose in further])
        for number, crop in zip(objects, crops, strict=True)
    ]
    centers = _float([cube.center_aligned for cube in cubes])
    sizes = _float([cube.size for cube in cubes])
    supports = _float([crop.support_height for crop in crops])
    readings = []
    for view, pose in zip(views, poses, strict=True):
        rows = [view.rows.get(number) for number in objects]
        posed = PosedDepthView.from_observation(view.observation, rows, pose)
        readings.append(read_view(posed, centers, sizes, resolution, truncation))
    return cubes, fuse(readings).quantised((supports - centers[:, 2]) / sizes)


def with_ramps(depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return depth (H, W) whose jumps are ramps of one to three pixels, as of stereo matching."""
    reach = int(rng.integers(1, 4))
    known = depth > 0
    farthest = ndimage.maximum_filter(depth, 2 * reach + 1)
    nearest = -ndimage.maximum_filter(np.where(known, -depth, -np.inf), 2 * reach + 1)
    jump = known & (farthest - nearest > 0.015 * (1 + depth)) & np.isfinite(nearest)
    count = ndimage.uniform_filter(known.astype(np.float32), 2 * reach + 1)
    mean = ndimage.uniform_filter(np.where(known, depth, 0.0), 2 * reach + 1)
    ramp = mean / np.maximum(count, 1e-3)
    return np.where(jump, ramp, depth).astype(np.float32)


def _noisy_poses(views: list[CleanedView], rng: np.random.Generator) -> list[np.ndarray]:
    """Return camera_from_reference (4, 4) of each view; that of the first is exact."""
    reference = views[0]
    world_from_reference = reference.observation.world_from_camera @ (
        reference.aligned_frame.camera_from_aligned()
    )
    strength = 0.0 if rng.random() < EXACT_SHARE else rng.random()
    poses = [reference.aligned_frame.camera_from_aligned()]
    for view in views[1:]:
        pose = np.linalg.inv(view.observation.world_from_camera) @ world_from_reference
        sigmas = TRANSLATION_ERROR * strength, np.radians(ROTATION_ERROR) * strength
        poses.append(pose_error(rng, *sigmas) @ pose)
    return poses


def _points_of(view: CleanedView, number: int, camera_from_reference: np.ndarray) -> np.ndarray:
    """Return the points (M, 3) of an object in a further view, in the reference's frame [m]."""
    crop = view.crops.get(number)
    if crop is None:
        return np.zeros((0, 3))
    points_camera = view.aligned_frame.to_camera(crop.points_aligned)
    return (points_camera - camera_from_reference[:3, 3]) @ camera_from_reference[:3, :3]


def _cube_around(cube: Cube, others: list[np.ndarray]) -> Cube:
    """Return the cube, enlarged to hold nearly all points of other views."""
    low, high = cube.center_aligned - 0.5 * cube.size, cube.center_aligned + 0.5 * cube.size
    for points in others:
        if len(points) >= 12:
            bounds = np.quantile(points, [0.02, 0.98], axis=0)
            low = np.minimum(low, bounds[0] - 0.04 * cube.size)
            high = np.maximum(high, bounds[1] + 0.04 * cube.size)
    size = float((high - low).max())
    if size <= cube.size * 1.0001:
        return cube
    return Cube(0.5 * (low + high), min(size, 2 * cube.size))


def _float(values: list) -> torch.Tensor:
    return torch.from_numpy(np.array(values, np.float32))
