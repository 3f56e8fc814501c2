"""Where to look: the scene's cube and one zoomed cube an instance, fitted in metres."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.frames import Cube, GravityAlignedFrame
from iscene_ros.core.observation import Observation


@dataclass(frozen=True)
class CropOptions:
    """How cubes are fitted.

    Attributes:
        min_points: an instance with fewer depth readings is skipped.
        max_points: the fit uses at most this many readings of an instance.
        trim: share of the readings left out at either end of each axis (stray pixels).
        outlier_spread, outlier_margin: readings further than spread x deviation + margin [m] from
            the instance's median depth are somebody else's.
        room_behind: room behind the visible side, as a share of the smaller lateral extent.
        margin: the cube is this much longer than what must fit into it, plus `padding` [m].
        min_size, max_size: bounds of a cube's edge [m].
        zoomed: False gives every instance the scene's cube instead of its own (for ablations).
    """

    min_points: int = 12
    max_points: int = 4000
    trim: float = 0.01
    outlier_spread: float = 6.0
    outlier_margin: float = 0.03
    room_behind: float = 0.9
    margin: float = 1.12
    padding: float = 0.02
    min_size: float = 0.04
    max_size: float = 3.0
    zoomed: bool = True


@dataclass(frozen=True)
class InstanceCrop:
    """One instance's part of the scene.

    Attributes:
        index: row of the observation's masks.
        cube: the zoomed cube, axes of view space.
        points_aligned: (M, 3) float64 observed points without strays [m].
        support_height: height of what seems to carry it, view space [m].
    """

    index: int
    cube: Cube
    points_aligned: np.ndarray
    support_height: float


@dataclass(frozen=True)
class SceneCrops:
    """All slots of an observation.

    Attributes:
        aligned_frame: the rotation to view space.
        scene_cube: holds every instance slot; None where there is no instance slot.
        scene_support_height: view space [m].
        instances: one slot for each instance that has depth.
        skipped: (row of masks, reason) of the others.
    """

    aligned_frame: GravityAlignedFrame
    scene_cube: Cube | None
    scene_support_height: float
    instances: tuple[InstanceCrop, ...]
    skipped: tuple[tuple[int, str], ...]


def fit_crops(
    observation: Observation, aligned_frame: GravityAlignedFrame, options: CropOptions | None = None
) -> SceneCrops:
    """Fit the cubes of a rectified observation."""
    options = options or CropOptions()
    instances, skipped = [], []
    for index, mask in enumerate(observation.masks):
        slot = _fit_instance(observation, mask, index, aligned_frame, options)
        if isinstance(slot, str):
            skipped.append((index, slot))
        else:
            instances.append(slot)
    cube = _enclosing_cube([slot.cube for slot in instances]) if instances else None
    if not options.zoomed:
        instances = [replace(slot, cube=cube) for slot in instances]
    support = float(np.median([s.support_height for s in instances])) if instances else 0.0
    return SceneCrops(aligned_frame, cube, support, tuple(instances), tuple(skipped))


def _fit_instance(
    observation: Observation,
    mask: np.ndarray,
    index: int,
    aligned_frame: GravityAlignedFrame,
    options: CropOptions,
) -> InstanceCrop | str:
    """The slot, or the reason why there is none."""
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return "no pixel of its mask is its own: empty, or covered by other masks"
    depth = observation.depth[rows, columns]
    keep = _without_strays(depth, options)
    if keep.sum() < options.min_points:
        return (
            f"{keep.sum()} usable depth readings in {len(rows)} mask pixels, "
            f"at least {options.min_points} are needed"
        )
    near = float(np.median(depth[keep]))
    pixels = np.column_stack([columns, rows]).astype(np.float64)
    chosen = np.flatnonzero(keep)
    chosen = chosen[:: max(1, len(chosen) // options.max_points)]
    points_camera = observation.camera.unproject(pixels[chosen], depth[chosen])
    points_aligned = aligned_frame.from_camera(points_camera)
    outline_camera = _outline(observation.camera, pixels, near, options)
    support = _support_height(observation, mask, points_aligned, aligned_frame)
    cube = _fit_cube(points_aligned, aligned_frame.from_camera(outline_camera), support, options)
    return InstanceCrop(index, cube, points_aligned, support)


def _without_strays(depth: np.ndarray, options: CropOptions) -> np.ndarray:
    valid = depth > 0
    if not valid.any():
        return valid
    median = np.median(depth[valid])
    deviation = np.median(np.abs(depth[valid] - median))
    return valid & (
        np.abs(depth - median) <= options.outlier_spread * deviation + options.outlier_margin
    )


def _outline(camera: Camera, pixels: np.ndarray, depth: float, options: CropOptions) -> np.ndarray:
    """(4, 3) points_camera: the corners of the mask's box at the instance's depth."""
    low, high = np.quantile(pixels, [options.trim, 1 - options.trim], axis=0)
    corners = np.array([low, high, [low[0], high[1]], [high[0], low[1]]])
    return camera.unproject(corners, np.full(4, depth))


def _fit_cube(
    points_aligned: np.ndarray, outline_view: np.ndarray, support: float, options: CropOptions
) -> Cube:
    trimmed = np.quantile(points_aligned, [options.trim, 1 - options.trim], axis=0)
    visible = points_aligned[
        np.all((points_aligned >= trimmed[0]) & (points_aligned <= trimmed[1]), axis=1)
    ]
    visible = np.concatenate([visible, outline_view])
    lateral = np.sort([np.linalg.norm(outline_view[0] - outline_view[i]) for i in (2, 3)])
    rays = visible / np.linalg.norm(visible, axis=1, keepdims=True)
    depth_extent = np.ptp(np.linalg.norm(points_aligned, axis=1))
    room = np.clip(options.room_behind * lateral[0] - depth_extent, 0.25 * lateral[0], None)
    reach = np.concatenate([visible, visible + rays * room])
    low, high = reach.min(axis=0), reach.max(axis=0)
    # What hides its own foot may reach down to the support, but not endlessly.
    low[2] = min(low[2], max(support, visible[:, 2].min() - lateral[1]))
    size = options.margin * float((high - low).max()) + options.padding
    return Cube((low + high) / 2, float(np.clip(size, options.min_size, options.max_size)))


def _support_height(
    observation: Observation,
    mask: np.ndarray,
    points_aligned: np.ndarray,
    aligned_frame: GravityAlignedFrame,
) -> float:
    """Median height of what surrounds the mask and lies below the instance's middle."""
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
