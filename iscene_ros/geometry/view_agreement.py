"""Whether two posed depth images can show the same surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iscene_ros.core.camera import Camera

# Readings of one image that are compared with the other one.
SAMPLES = 3000
# Errors of poses and readings up to which a surface is where the other image shows it [m].
TOLERANCE_M = 0.05
# With fewer readings in both images, nothing is known.
LEAST_COMPARED = 100


@dataclass(frozen=True)
class PosedDepth:
    """A depth image and where it was taken.

    Attributes:
        depth: (H, W) float32 [m], 0 = no reading.
        camera: rectified.
        frame_from_camera: (4, 4) rigid transform.
    """

    depth: np.ndarray
    camera: Camera
    frame_from_camera: np.ndarray


def contradiction(one: PosedDepth, other: PosedDepth) -> float:
    """Return the share of the readings of both that lie in space that the other saw free.

    Readings that are hidden from the other image or outside of it do not count. 0 where too few
    are left: nothing contradicts.
    """
    counts = _compared(one, other) + _compared(other, one)
    agreeing, contradicting = counts
    total = agreeing + contradicting
    return float(contradicting / total) if total >= LEAST_COMPARED else 0.0


def _compared(one: PosedDepth, other: PosedDepth) -> np.ndarray:
    """Return (2,) how many readings of one image agree with another image and contradict it."""
    step = max(1, round(np.sqrt(one.depth.size / SAMPLES)))
    rows, columns = np.nonzero(one.depth[::step, ::step])
    pixels = np.column_stack([columns, rows]) * step
    points = one.camera.unproject(pixels, one.depth[rows * step, columns * step])
    other_from_one = np.linalg.inv(other.frame_from_camera) @ one.frame_from_camera
    points = points @ other_from_one[:3, :3].T + other_from_one[:3, 3]
    points = points[points[:, 2] > TOLERANCE_M]
    columns, rows = np.rint(np.clip(other.camera.project(points), -1e6, 1e6)).astype(np.int64).T
    inside = (columns >= 0) & (rows >= 0)
    inside &= (columns < other.camera.width) & (rows < other.camera.height)
    reading = other.depth[rows[inside], columns[inside]]
    nearer = np.where(reading > 0, reading - points[inside, 2], -np.inf)
    agrees = np.abs(nearer) <= TOLERANCE_M
    return np.array([agrees.sum(), (nearer > TOLERANCE_M).sum()])
