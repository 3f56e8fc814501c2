"""Crops of a view: one cube around the scene and one around every instance, fitted in metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.frames import Cube, GravityAlignedFrame
from iscene_ros.core.observation import Observation

# An instance with fewer depth readings is skipped; the fit uses at most so many of them.
MIN_POINTS, MAX_POINTS = 12, 4000
# Share of the readings left out at either end of each axis (outliers).
TRIMMED_SHARE = 0.01
# Readings further than spread x deviation + margin [m] from the instance's median depth belong to
# other things.
OUTLIER_SPREAD, OUTLIER_MARGIN_M = 6.0, 0.03
# Room behind the visible side, as a share of the smaller lateral extent.
ROOM_BEHIND = 0.9
# A cube is longer than what must fit into it by this factor and this length [m].
CUBE_MARGIN, CUBE_PADDING_M = 1.12, 0.02
# Bounds of a cube's edge [m].
MIN_SIZE_M, MAX_SIZE_M = 0.04, 3.0


@dataclass(frozen=True)
class InstanceCrop:
    """The crop of one instance.

    Attributes:
        index: row of the observation's masks.
        cube: its cube, with the axes of the gravity-aligned frame.
        points_aligned: (M, 3) float64 observed points without outliers [m].
        support_height: height of the surface that seems to support it, above the origin
            of the gravity-aligned frame [m].
    """

    index: int
    cube: Cube
    points_aligned: np.ndarray
    support_height: float


@dataclass(frozen=True)
class SceneCrops:
    """The crops of an observation.

    Attributes:
        aligned_frame: axes of the cubes.
        scene_cube: holds every instance crop; None where there is no instance crop.
        scene_support_height: median of the instances' supports, in the gravity-aligned frame [m].
        instances: one crop for each instance that has depth.
        skipped: (row of masks, reason) of the others.
    """

    aligned_frame: GravityAlignedFrame
    scene_cube: Cube | None
    scene_support_height: float
    instances: tuple[InstanceCrop, ...]
    skipped: tuple[tuple[int, str], ...]


def fit_crops(observation: Observation, aligned_frame: GravityAlignedFrame) -> SceneCrops:
    """Fit the cubes of a rectified observation whose masks do not overlap."""
    instances, skipped = [], []
    for index, mask in enumerate(observation.masks):
        crop = _fit_instance(observation, mask, index, aligned_frame)
        if isinstance(crop, str):
            skipped.append((index, crop))
        else:
            instances.append(crop)
    cube = _enclosing_cube([crop.cube for crop in instances]) if instances else None
    support = float(np.median([s.support_height for s in instances])) if instances else 0.0
    return SceneCrops(aligned_frame, cube, support, tuple(instances), tuple(skipped))


def _fit_instance(
    observation: Observation,
    mask: np.ndarray,
    index: int,
    aligned_frame: GravityAlignedFrame,
) -> InstanceCrop | str:
    """Return the crop, or the reason why there is none."""
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return "no pixel of its mask is its own: empty, or covered by other masks"
    depth = observation.depth[rows, columns]
    keep = _without_outliers(depth)
    if keep.sum() < MIN_POINTS:
        return (
            f"{keep.sum()} usable depth readings in {len(rows)} mask pixels, "
            f"at least {MIN_POINTS} are needed"
        )
    near = float(np.median(depth[keep]))
    pixels = np.column_stack([columns, rows]).astype(np.float64)
    chosen = np.flatnonzero(keep)
    chosen = chosen[:: max(1, len(chosen) // MAX_POINTS)]
    points_camera = observation.camera.unproject(pixels[chosen], depth[chosen])
    points_aligned = aligned_frame.from_camera(points_camera)
    outline_camera = _outline(observation.camera, pixels, near)
    support = _support_height(observation, mask, points_aligned, aligned_frame)
    cube = _fit_cube(points_aligned, aligned_frame.from_camera(outline_camera), support)
    return InstanceCrop(index, cube, points_aligned, support)


def _without_outliers(depth: np.ndarray) -> np.ndarray:
    """Return which depths are readings near the median one, as bool."""
    valid = depth > 0
    if not valid.any():
        return valid
    median = np.median(depth[valid])
    deviation = np.median(np.abs(depth[valid] - median))
    return valid & (np.abs(depth - median) <= OUTLIER_SPREAD * deviation + OUTLIER_MARGIN_M)


def _outline(camera: Camera, pixels: np.ndarray, depth: float) -> np.ndarray:
    """Return (4, 3) points_camera [m], the corners of the mask's box at the instance's depth."""
    low, high = np.quantile(pixels, [TRIMMED_SHARE, 1 - TRIMMED_SHARE], axis=0)
    corners = np.array([low, high, [low[0], high[1]], [high[0], low[1]]])
    return camera.unproject(corners, np.full(4, depth))


def _fit_cube(points_aligned: np.ndarray, outline_aligned: np.ndarray, support: float) -> Cube:
    trimmed = np.quantile(points_aligned, [TRIMMED_SHARE, 1 - TRIMMED_SHARE], axis=0)
    visible = points_aligned[
        np.all((points_aligned >= trimmed[0]) & (points_aligned <= trimmed[1]), axis=1)
    ]
    visible = np.concatenate([visible, outline_aligned])
    lateral = np.sort([np.linalg.norm(outline_aligned[0] - outline_aligned[i]) for i in (2, 3)])
    rays = visible / np.linalg.norm(visible, axis=1, keepdims=True)
    depth_extent = np.ptp(np.linalg.norm(points_aligned, axis=1))
    room = np.clip(ROOM_BEHIND * lateral[0] - depth_extent, 0.25 * lateral[0], None)
    reach = np.concatenate([visible, visible + rays * room])
    low, high = reach.min(axis=0), reach.max(axis=0)
    # An object may hide its foot, and then reaches down to the support, within limits.
    low[2] = min(low[2], max(support, visible[:, 2].min() - lateral[1]))
    size = CUBE_MARGIN * float((high - low).max()) + CUBE_PADDING_M
    return Cube((low + high) / 2, float(np.clip(size, MIN_SIZE_M, MAX_SIZE_M)))


def _support_height(
    observation: Observation,
    mask: np.ndarray,
    points_aligned: np.ndarray,
    aligned_frame: GravityAlignedFrame,
) -> float:
    """Return the median height of the surroundings of the mask below the instance's middle [m]."""
    rows, columns = np.nonzero(mask)
    pad = 8 + (np.ptp(rows) + np.ptp(columns)) // 8
    window = (
        slice(max(rows.min() - pad, 0), rows.max() + pad + 1),
        slice(max(columns.min() - pad, 0), columns.max() + pad + 1),
    )
    around = (observation.depth[window] > 0) & ~mask[window]
    r, c = np.nonzero(around)
    step = max(1, len(r) // 2000)
    r, c = r[::step], c[::step]
    pixels = np.column_stack([c + window[1].start, r + window[0].start])
    ring = aligned_frame.from_camera(
        observation.camera.unproject(pixels, observation.depth[window][r, c])
    )
    reach = np.ptp(points_aligned, axis=0).max() + 0.05
    middle = np.median(points_aligned, axis=0)
    close = ring[(np.linalg.norm(ring - middle, axis=1) < 2 * reach) & (ring[:, 2] < middle[2])]
    lowest = float(np.quantile(points_aligned[:, 2], 0.02))
    return min(float(np.median(close[:, 2])), lowest) if len(close) >= 5 else lowest


def _enclosing_cube(cubes: list[Cube]) -> Cube:
    low = np.min([c.center_aligned - c.size / 2 for c in cubes], axis=0)
    high = np.max([c.center_aligned + c.size / 2 for c in cubes], axis=0)
    return Cube((low + high) / 2, float((high - low).max()))
