"""Check of a camera's pose against what the frame before saw: a broken transform ruins no map.

Most of what a camera sees stands still. Where the new frame sees through what the frame before saw,
or the other way round, over most of the image or over three objects at once, the pose is wrong, not
the world. A pose that stays like that is believed: the world frame itself has jumped.
"""

from __future__ import annotations

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.geometry.camera_view import CameraView, Sight
from iscene_ros.session.rejection import RejectedInputError, RejectReason

# Frames in a row that are refused; the next one is believed.
REFUSED_FRAMES = 2
POINTS, GRID_PIXELS = 400, 20_000
# A pose is broken where this share of the points that both frames judge is seen through.
BROKEN = 0.5
LEAST_JUDGED = 50
# Fewer objects than this may move all at once.
LEAST_OBJECTS = 3
MARGIN_M = 0.03


class PoseCheck:
    """Compares each frame with the one accepted before it."""

    def __init__(self) -> None:
        self._before: CameraView | None = None
        self._frame_id = ""
        self._refused = 0

    def clear(self) -> None:
        """Accept the next frame, whatever its pose is."""
        self._before = None

    def check(self, observation: Observation, frame_id: str, objects_rest: bool = True) -> bool:
        """Return whether the world frame has jumped since the frame before.

        Args:
            frame_id: frame that the pose of the observation leads to.
            objects_rest: whether objects tell, too; not where all of them may move at once.

        Raises:
            RejectedInputError: it contradicts the frame before.
        """
        if observation.world_from_camera is None:
            self._before = None
            return False
        view = CameraView(observation, observation.world_from_camera)
        before = self._before if frame_id == self._frame_id else None
        share = 0.0 if before is None else contradiction(before, view, objects_rest)
        if share > BROKEN and self._refused < REFUSED_FRAMES:
            self._refused += 1
            raise RejectedInputError(
                RejectReason.POSE,
                f"camera pose: the frame sees through {share:.0%} of what the frame before "
                "saw, expected a world that mostly stands still; check TF and its stamps",
            )
        self._before, self._frame_id, self._refused = view, frame_id, 0
        return share > BROKEN


def contradiction(one: CameraView, other: CameraView, objects_rest: bool = True) -> float:
    """Return the larger share of what one of two views saw that the other one sees through."""
    shares = (_free_share(a, b, objects_rest) for a, b in ((one, other), (other, one)))
    return float(max(shares))


def _free_share(seen: CameraView, view: CameraView, objects_rest: bool) -> float:
    """Return the share of what one view saw that another one sees through.

    It is the larger one of all surroundings and of at least three objects.
    """
    masks = seen.observation.masks
    objects = masks.any(axis=0) if len(masks) else np.zeros(seen.observation.depth.shape, bool)
    regions = [~objects]
    if objects_rest and len(masks) >= LEAST_OBJECTS:
        regions.append(objects)
    return max(_free_share_of(seen, region, view) for region in regions)


def _free_share_of(seen: CameraView, region: np.ndarray, view: CameraView) -> float:
    observation = seen.observation
    # A coarse grid of pixels first: regions are large.
    grid = max(1, int((region.size / GRID_PIXELS) ** 0.5))
    rows, columns = np.nonzero((region & (observation.depth > 0))[::grid, ::grid])
    step = max(1, len(rows) // POINTS)
    rows, columns = grid * rows[::step], grid * columns[::step]
    pixels = np.column_stack([columns, rows])
    points_camera = observation.camera.unproject(pixels, observation.depth[rows, columns])
    pose = seen.frame_from_camera
    codes = view.sight(points_camera @ pose[:3, :3].T + pose[:3, 3], MARGIN_M)
    free = np.count_nonzero(codes == Sight.THROUGH)
    judged = free + np.count_nonzero(codes == Sight.FITS)
    return free / judged if judged >= LEAST_JUDGED else 0.0
