"""Random orientations of objects at rest."""

from __future__ import annotations

import numpy as np

from iscene_ros.lab.synthetic.primitives import pose


def resting_rotation(rng: np.random.Generator, tilted_share: float) -> np.ndarray:
    """Transform (4,4): upright, on a side, upside down, leaning or anyhow; any yaw."""
    yaw = rng.uniform(-np.pi, np.pi)
    if rng.random() < tilted_share:
        if rng.random() < 0.5:
            lean = rng.normal(0, 0.35, 2)
            return pose(yaw=yaw) @ pose(roll=lean[0], pitch=lean[1])
        quaternion = rng.normal(size=4)
        return _rotation(quaternion / np.linalg.norm(quaternion))
    kind = rng.choice(3, p=(0.65, 0.25, 0.1))
    if kind == 1:
        spin = pose(yaw=rng.integers(4) * np.pi / 2 if rng.random() < 0.5 else rng.uniform(0, 6))
        return pose(yaw=yaw) @ pose(roll=np.pi / 2) @ spin
    return pose(yaw=yaw) @ pose(roll=np.pi * (kind == 2))


def _rotation(quaternion: np.ndarray) -> np.ndarray:
    w, x, y, z = quaternion
    transform = np.eye(4)
    transform[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return transform
