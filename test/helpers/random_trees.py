"""Random trees of frames over time, and the plain way to look poses up in them."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation
from session_inputs import MS, START_NS, transform

from iscene_ros.session.transforms import TransformBuffer

KNOTS = (0, 130, 400, 1000)  # [ms]


class Tree:
    """A random tree of frames, every edge static or sampled at the same times."""

    def __init__(self, seed: int, size: int) -> None:
        rng = np.random.default_rng(seed)
        self.parents = [None, *(int(rng.integers(i)) for i in range(1, size))]
        self.static = [bool(rng.random() < 0.3) for _ in range(size)]
        # Turns of less than 180 degrees between two samples, so that there is one shortest way.
        turns = rng.uniform(-1, 1, (size, len(KNOTS), 3))
        start = Rotation.random(size, random_state=seed)
        self.rotations = [
            [start[i] * Rotation.from_rotvec(turns[i, k]) for k in range(len(KNOTS))]
            for i in range(size)
        ]
        self.positions = rng.uniform(-3, 3, (size, len(KNOTS), 3))

    def samples(self):
        """Parent, child, stamp [ns], rotation, position, static; out of order."""
        for i in range(1, len(self.parents)):
            for k in (2, 0, 3, 1) if not self.static[i] else (0,):
                stamp = START_NS + KNOTS[k] * MS
                names = f"f{self.parents[i]}", f"f{i}"
                yield *names, stamp, self.rotations[i][k], self.positions[i][k], self.static[i]

    def buffer(self) -> TransformBuffer:
        buffer = TransformBuffer()
        for parent, child, stamp, rotation, position, static in self.samples():
            matrix = np.eye(4)
            matrix[:3, :3], matrix[:3, 3] = rotation.as_matrix(), position
            buffer.add(transform(parent, child, stamp, static, matrix))
        return buffer

    def root_from(self, i: int, ms: float) -> np.ndarray:
        """The plain way: every edge by the formulas of lerp and slerp, multiplied up."""
        matrix = np.eye(4)
        while i:
            matrix = self._edge(i, 0 if self.static[i] else ms) @ matrix
            i = self.parents[i]
        return matrix

    def _edge(self, i: int, ms: float) -> np.ndarray:
        after = int(np.clip(np.searchsorted(KNOTS, ms), 1, len(KNOTS) - 1))
        before = after - 1
        share = (ms - KNOTS[before]) / (KNOTS[after] - KNOTS[before])
        a, b = (self.rotations[i][k].as_quat() for k in (before, after))
        b = b if a @ b >= 0 else -b
        angle = np.arccos(np.clip(a @ b, -1, 1))
        q = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_quat(q).as_matrix()
        matrix[:3, 3] = (1 - share) * self.positions[i][before] + share * self.positions[i][after]
        return matrix
