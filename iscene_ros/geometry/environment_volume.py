"""A volume into which depth images of the surroundings are fused, and the mesh of its surface.

open3d's VoxelBlockGrid stores the voxels and extracts the surface. The weights are our own: its
integration trusts what lies behind a surface as much as what was seen, which makes a thin wall that
is seen from both sides as thick as twice the truncation.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from iscene_ros.core.camera import Camera
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.depth_view import READ_WITHIN_M, TRUNCATION_M, DepthView

VOXEL_M = 0.01
# Voxels along the edge of a block.
BLOCK = 8
BLOCK_M = BLOCK * VOXEL_M
# Blocks farther from the newest camera than this are dropped [m].
KEEP_WITHIN_M = 5.0
# Blocks of 6 kB: at most 61 MB. Of more, those farthest from the camera are dropped.
MAX_BLOCKS = 10_000
# The newest readings count at least one part in so many, so that what has left disappears.
MAX_WEIGHT = 10.0
# Blocks that are updated at once; few, so that the work stays in the processor's cache.
BATCH = 256
# What a voxel's distance has to change by, in units of the truncation, for its sign to count as
# changed, and how near the surface of new voxels counts.
CHANGED = 0.33
# Stands for the distance of voxels that were never seen.
UNSEEN = 2.0


def has_open3d() -> bool:
    """Return whether open3d is installed, which `EnvironmentVolume` needs."""
    return find_spec("open3d") is not None


@dataclass(frozen=True)
class VoxelBlocks:
    """The content of a volume.

    Attributes:
        keys: (B, 3) int32 lowest corner of each block in units of its edge.
        distance: (B, 8, 8, 8) float32 signed distances in units of the truncation, in [-1, 1],
            positive in front of surfaces; the axes are z, y, x.
        weight: (B, 8, 8, 8) float32 from 0 (never seen) to `MAX_WEIGHT`.
    """

    keys: np.ndarray
    distance: np.ndarray
    weight: np.ndarray


class EnvironmentVolume:
    """Signed distances around the surfaces that posed depth images show, in one frame.

    One thread at a time may use it.

    Raises:
        ModuleNotFoundError: open3d is not installed.
    """

    def __init__(self) -> None:
        import open3d

        # Where a volume lives to the end of the process, open3d would list its memory.
        open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
        self._open3d = open3d
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        core = self._open3d.core
        # Memory for all blocks at once: more of it would be a copy of all, and the system provides
        # it when it is written to.
        self._grid = self._open3d.t.geometry.VoxelBlockGrid(
            ("tsdf", "weight", "meshed"),
            (core.float32,) * 3,
            ((1,),) * 3,
            VOXEL_M,
            BLOCK,
            MAX_BLOCKS,
            core.Device("CPU:0"),
        )

    @property
    def block_count(self) -> int:
        """Number of blocks."""
        return self._grid.hashmap().size()

    def blocks(self) -> VoxelBlocks:
        """Return a copy of the content, ascending by key."""
        rows, keys = self._rows_and_keys()
        order = np.lexsort(keys.T)
        rows, keys = rows[order], keys[order]
        return VoxelBlocks(keys, self._values("tsdf")[rows], self._values("weight")[rows])

    def load(self, blocks: VoxelBlocks) -> None:
        """Replace the content; of more than `MAX_BLOCKS` the first ones are taken."""
        self.clear()
        rows = self._activate(blocks.keys[:MAX_BLOCKS])
        self._values("tsdf")[rows] = blocks.distance[:MAX_BLOCKS]
        self._values("weight")[rows] = blocks.weight[:MAX_BLOCKS]

    def integrate(self, depth: np.ndarray, camera: Camera, frame_from_camera: np.ndarray) -> None:
        """Fuse one depth image.

        Args:
            depth: (H, W) float32 [m], 0 where there is no reading of the surroundings.
            camera: rectified.
            frame_from_camera: (4, 4) rigid transform into the frame of the volume.
        """
        camera_from_frame = np.linalg.inv(frame_from_camera)
        self._activate_near(self._blocks_of(depth, camera, camera_from_frame), frame_from_camera)
        rows, keys = self._rows_and_keys()
        view = DepthView(depth, camera)
        corners = keys * BLOCK_M @ camera_from_frame[:3, :3].T + camera_from_frame[:3, 3]
        z, y, x = np.mgrid[:BLOCK, :BLOCK, :BLOCK].reshape(3, -1) * VOXEL_M
        inside = np.column_stack([x, y, z]) @ camera_from_frame[:3, :3].T
        shown = view.may_show(corners + inside.mean(axis=0), np.sqrt(0.75) * BLOCK_M)
        rows, corners = rows[shown], corners[shown]
        for start in range(0, len(rows), BATCH):
            part = slice(start, start + BATCH)
            points = (corners[part].T[:, :, None] + inside.T[:, None]).astype(np.float32)
            self._average(rows[part], *view.readings(points.reshape(3, -1)))

    def has_changed(self, voxels: int) -> bool:
        """Return whether at least so many voxels changed the surface since the last `mesh`."""
        rows, _ = self._rows_and_keys()
        now, then = self._distances(rows), self._values("meshed")[rows]
        flipped = ((now < 0) != (then < 0)) & (np.abs(now - then) > CHANGED)
        new = (then == UNSEEN) & (np.abs(now) < CHANGED)
        changed = np.where((then == UNSEEN) | (now == UNSEEN), new, flipped)
        return int(np.count_nonzero(changed)) >= voxels

    def mesh(self) -> Mesh:
        """Return the surface in triangles of voxel size, its front on the side that was seen."""
        rows, _ = self._rows_and_keys()
        self._values("meshed")[rows] = self._distances(rows)
        nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
        if not len(rows):
            return nothing
        surface = self._grid.extract_triangle_mesh(weight_threshold=1e-3)
        if "indices" not in surface.triangle:
            return nothing
        vertices = surface.vertex.positions.numpy().astype(np.float32)
        return Mesh(vertices, surface.triangle.indices.numpy().astype(np.int32))

    def _distances(self, rows: np.ndarray) -> np.ndarray:
        """Return the distances of blocks, `UNSEEN` where nothing was seen."""
        return np.where(self._values("weight")[rows] > 0, self._values("tsdf")[rows], UNSEEN)

    def _values(self, name: str) -> np.ndarray:
        """Return a view (C, 8, 8, 8) of an attribute of all blocks."""
        return self._grid.attribute(name).numpy()[..., 0]

    def _rows_and_keys(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows (B,) of the blocks in the attributes, and their keys (B, 3)."""
        table = self._grid.hashmap()
        rows = table.active_buf_indices().numpy()
        return rows, table.key_tensor().numpy()[rows]

    def _activate(self, keys: np.ndarray) -> np.ndarray:
        """Return the (B,) rows of blocks, made where they were missing."""
        if not len(keys):
            return np.zeros(0, np.int32)
        table = self._grid.hashmap()
        tensor = self._open3d.core.Tensor(np.ascontiguousarray(keys, np.int32))
        rows, fresh = (part.numpy() for part in table.activate(tensor))
        # A block that was dropped leaves its values behind.
        for name, value in (("tsdf", 0.0), ("weight", 0.0), ("meshed", UNSEEN)):
            self._values(name)[rows[fresh]] = value
        return table.find(tensor)[0].numpy()

    def _activate_near(self, fresh: np.ndarray, frame_from_camera: np.ndarray) -> None:
        """Make blocks (B, 3), and drop those out of reach and the farthest of too many."""
        _, keys = self._rows_and_keys()
        wanted = np.unique(np.concatenate([keys, fresh]), axis=0)
        distance = np.linalg.norm((wanted + 0.5) * BLOCK_M - frame_from_camera[:3, 3], axis=1)
        order = np.argsort(distance, kind="stable")[:MAX_BLOCKS]
        wanted = wanted[order[distance[order] <= KEEP_WITHIN_M]]
        dropped = keys[~_are_in(keys, wanted)]
        if len(dropped):
            self._grid.hashmap().erase(self._open3d.core.Tensor(dropped))
        self._activate(fresh[_are_in(fresh, wanted)])

    def _blocks_of(
        self, depth: np.ndarray, camera: Camera, camera_from_frame: np.ndarray
    ) -> np.ndarray:
        """Return the (B, 3) int32 keys of the blocks within the truncation of any reading."""
        core = self._open3d.core
        if not np.any((depth > 0) & (depth <= READ_WITHIN_M)):
            return np.zeros((0, 3), np.int32)
        return self._grid.compute_unique_block_coordinates(
            self._open3d.t.geometry.Image(np.ascontiguousarray(depth, np.float32)),
            core.Tensor(camera.k),
            core.Tensor(camera_from_frame),
            depth_scale=1.0,
            depth_max=READ_WITHIN_M,
            trunc_voxel_multiplier=TRUNCATION_M / VOXEL_M,
        ).numpy()

    def _average(self, rows: np.ndarray, distance: np.ndarray, weight: np.ndarray) -> None:
        """Average readings (512 B,) into the voxels of blocks (B,)."""
        distances, weights = self._values("tsdf"), self._values("weight")
        before, total = distances[rows], weights[rows]
        weight = weight.reshape(total.shape)
        total += weight
        share = weight / np.maximum(total, np.float32(1e-9))
        distances[rows] = before + share * (distance.reshape(total.shape) - before)
        weights[rows] = np.minimum(total, np.float32(MAX_WEIGHT))


def _are_in(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return (B,) bool: which keys (B, 3) are among others (W, 3)."""
    numbers = [k.astype(np.int64) @ (1, 1 << 20, 1 << 40) for k in (keys, wanted)]
    return np.isin(*numbers)
