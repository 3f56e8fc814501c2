"""Crops of a view: one cube around every instance, fitted in metres.

Further views of an instance, its evidence, contribute to its crop.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

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
# Of several views, those that see so much of the largest seen extent tell where the hidden side of
# an instance may end; one that sees a corner of it cannot.
INFORMED_SHARE = 0.7

# Further views by instance id; each has a pose and shows the instance under the same id.
Evidence = Mapping[int, Sequence[Observation]]


@dataclass(frozen=True, eq=False)
class InstanceView:
    """One view of an instance.

    Attributes:
        observation: rectified, with clean depth and masks that do not overlap.
        index: row of the instance in its masks.
        camera_from_aligned: (4, 4) float64 transform from the gravity-aligned frame of the crops.
        is_further: whether it is not the reference view.
    """

    observation: Observation
    index: int
    camera_from_aligned: np.ndarray
    is_further: bool = False


@dataclass(frozen=True)
class InstanceCrop:
    """The crop of one instance.

    Attributes:
        index: row of the observation's masks.
        cube: its cube, with the axes of the gravity-aligned frame.
        points_aligned: (M, 3) float64 points of all views, without outliers [m].
        support_height: height of the surface that seems to support it, above the origin
            of the gravity-aligned frame [m].
        further_views: those beside the observation that show the instance.
    """

    index: int
    cube: Cube
    points_aligned: np.ndarray
    support_height: float
    further_views: tuple[InstanceView, ...] = ()


@dataclass(frozen=True)
class SceneCrops:
    """The crops of an observation.

    Attributes:
        aligned_frame: axes of the cubes.
        instances: one crop for each instance that has depth.
        skipped: (row of masks, reason) of the others.
    """

    aligned_frame: GravityAlignedFrame
    instances: tuple[InstanceCrop, ...]
    skipped: tuple[tuple[int, str], ...]

    def near(self, rows: Collection[int]) -> SceneCrops:
        """Return the crops of some rows of masks, and of the instances whose cubes reach theirs."""
        cubes = [crop.cube for crop in self.instances if crop.index in rows]
        near = [c for c in self.instances if any(c.cube.overlaps(cube) for cube in cubes)]
        return replace(self, instances=tuple(near))


def fit_crops(
    observation: Observation, aligned_frame: GravityAlignedFrame, evidence: Evidence | None = None
) -> SceneCrops:
    """Fit the cubes of a rectified observation whose masks do not overlap.

    Args:
        observation: the reference view; needs a pose where there is evidence.
        aligned_frame: its gravity-aligned frame, of all cubes.
        evidence: further views, cleaned like the observation.
    """
    instances, skipped = [], []
    for index, instance_id in enumerate(observation.instance_ids):
        views = _views(observation, index, aligned_frame, (evidence or {}).get(instance_id, ()))
        crop = _fit_instance(views, index)
        if isinstance(crop, str):
            skipped.append((index, crop))
        else:
            instances.append(crop)
    return SceneCrops(aligned_frame, tuple(instances), tuple(skipped))


def share_with_depth(observation: Observation, crop: InstanceCrop) -> float:
    """Return the share of an instance's pixels in all views that have depth."""
    views = [(observation, crop.index)]
    views += [(view.observation, view.index) for view in crop.further_views]
    readings = [view.depth[view.masks[index]] > 0 for view, index in views]
    return float(np.concatenate(readings).mean())


def _views(
    observation: Observation,
    index: int,
    aligned_frame: GravityAlignedFrame,
    further: Sequence[Observation],
) -> tuple[InstanceView, ...]:
    """Return all views that show an instance."""
    camera_from_aligned = aligned_frame.camera_from_aligned()
    views = []
    if observation.masks[index].any():
        views.append(InstanceView(observation, index, camera_from_aligned))
    for view in further:
        camera_from_world = np.linalg.inv(view.world_from_camera)
        pose = camera_from_world @ observation.world_from_camera @ camera_from_aligned
        row = view.instance_ids.index(observation.instance_ids[index])
        views.append(InstanceView(view, row, pose, is_further=True))
    return tuple(views)


@dataclass(frozen=True)
class _Fit:
    """What one view tells of an instance's extent, in the gravity-aligned frame [m].

    Attributes:
        points: (M, 3) float64 observed points without outliers.
        seen_low, seen_high: (3,) corners of what is visible.
        low, high: (3,) corners of what may belong to the instance, seen or hidden.
        support_height: height of the surface that seems to support it.
    """

    points: np.ndarray
    seen_low: np.ndarray
    seen_high: np.ndarray
    low: np.ndarray
    high: np.ndarray
    support_height: float


def _fit_instance(views: tuple[InstanceView, ...], index: int) -> InstanceCrop | str:
    """Return the crop, or the reason why there is none."""
    if not views:
        return "no pixel of its mask is its own: empty, or covered by other masks"
    found = [_fit_view(view, MAX_POINTS // len(views) ** 0.5) for view in views]
    fits = [fit for fit in found if isinstance(fit, _Fit)]
    if not fits:
        return found[0]
    extents = [np.linalg.norm(fit.seen_high - fit.seen_low) for fit in fits]
    seen_low = np.min([fit.seen_low for fit in fits], axis=0)
    seen_high = np.max([fit.seen_high for fit in fits], axis=0)
    informed = [
        fit
        for fit, extent in zip(fits, extents, strict=True)
        if extent >= INFORMED_SHARE * max(extents)
    ]
    # Each view bounds the hidden side; what any view sees belongs to the instance.
    low = np.minimum(np.max([fit.low for fit in informed], axis=0), seen_low)
    high = np.maximum(np.min([fit.high for fit in informed], axis=0), seen_high)
    size = CUBE_MARGIN * float((high - low).max()) + CUBE_PADDING_M
    cube = Cube((low + high) / 2, float(np.clip(size, MIN_SIZE_M, MAX_SIZE_M)))
    points = np.concatenate([fit.points for fit in fits])
    support = float(np.median([fit.support_height for fit in fits]))
    further = tuple(
        view
        for view, fit in zip(views, found, strict=True)
        if isinstance(fit, _Fit) and view.is_further
    )
    return InstanceCrop(index, cube, points, support, further)


def _fit_view(view: InstanceView, most_points: float) -> _Fit | str:
    """Return the extent of an instance in one view, or the reason why there is none."""
    observation, mask = view.observation, view.observation.masks[view.index]
    rows, columns = np.nonzero(mask)
    depth = observation.depth[rows, columns]
    keep = depth > 0
    if keep.any():
        median = np.median(depth[keep])
        deviation = np.median(np.abs(depth[keep] - median))
        keep &= np.abs(depth - median) <= OUTLIER_SPREAD * deviation + OUTLIER_MARGIN_M
    if keep.sum() < MIN_POINTS:
        return (
            f"{keep.sum()} usable depth readings in {len(rows)} mask pixels, "
            f"at least {MIN_POINTS} are needed"
        )
    near = float(np.median(depth[keep]))
    pixels = np.column_stack([columns, rows]).astype(np.float64)
    chosen = np.flatnonzero(keep)
    chosen = chosen[:: max(1, int(len(chosen) // most_points))]
    points_camera = observation.camera.unproject(pixels[chosen], depth[chosen])
    # The axes of the crops with the origin at this view's camera, so that rays begin at zero.
    axes = GravityAlignedFrame(view.camera_from_aligned[:3, :3].T)
    points = axes.from_camera(points_camera)
    # The corners of the mask's box at the instance's depth.
    low, high = np.quantile(pixels, [TRIMMED_SHARE, 1 - TRIMMED_SHARE], axis=0)
    corners = np.array([low, high, [low[0], high[1]], [high[0], low[1]]])
    outline = axes.from_camera(observation.camera.unproject(corners, np.full(4, near)))
    support = _support_height(observation, mask, points, axes)
    fit = _extent(points, outline, support)
    offset = -axes.from_camera(view.camera_from_aligned[:3, 3])
    moved = (fit.points, fit.seen_low, fit.seen_high, fit.low, fit.high)
    return _Fit(*(corner + offset for corner in moved), fit.support_height + offset[2])


def _extent(points: np.ndarray, outline: np.ndarray, support: float) -> _Fit:
    """Return what (M, 3) points and the outline (4, 3) tell, with the camera at the origin."""
    trimmed = np.quantile(points, [TRIMMED_SHARE, 1 - TRIMMED_SHARE], axis=0)
    visible = points[np.all((points >= trimmed[0]) & (points <= trimmed[1]), axis=1)]
    visible = np.concatenate([visible, outline])
    lateral = np.sort([np.linalg.norm(outline[0] - outline[i]) for i in (2, 3)])
    rays = visible / np.linalg.norm(visible, axis=1, keepdims=True)
    depth_extent = np.ptp(np.linalg.norm(points, axis=1))
    room = np.clip(ROOM_BEHIND * lateral[0] - depth_extent, 0.25 * lateral[0], None)
    reach = np.concatenate([visible, visible + rays * room])
    low, high = reach.min(axis=0), reach.max(axis=0)
    # An object may hide its foot, and then reaches down to the support, within limits.
    low[2] = min(low[2], max(support, visible[:, 2].min() - lateral[1]))
    return _Fit(points, visible.min(axis=0), visible.max(axis=0), low, high, support)


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
