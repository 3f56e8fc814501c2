"""Plain fusion of depth, the baseline of several views: what was seen, without a completion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh

# Of voxels of 2 to 4 mm and truncations of 2 to 6 voxels these are the best on training families.
VOXEL_M, TRUNCATION = 0.002, 6.0
# Blocks of 8^3 voxels; the table grows where they do not suffice.
BLOCK_SIDE, BLOCKS = 8, 2000
FARTHEST_M = 5.0


def fused_surface(views: Sequence[Observation], instance_id: int) -> Mesh | None:
    """Return the open surface that truncated distances of an instance's depth give.

    Args:
        views: Rectified and posed; the last is the reference.
        instance_id: Of the object in all views.

    Returns:
        Surface in the camera frame of the reference [m]; None where nothing was seen of it.
    """
    import open3d

    core, geometry = open3d.core, open3d.t.geometry
    grid = geometry.VoxelBlockGrid(
        attr_names=("tsdf", "weight"),
        attr_dtypes=(core.float32, core.float32),
        attr_channels=((1,), (1,)),
        voxel_size=VOXEL_M,
        block_resolution=BLOCK_SIDE,
        block_count=BLOCKS,
    )
    world_from_reference = views[-1].world_from_camera
    for view in views:
        depth = geometry.Image(core.Tensor(_own_depth(view, instance_id)))
        k = core.Tensor(view.camera.k)
        pose = core.Tensor(np.linalg.inv(view.world_from_camera) @ world_from_reference)
        scale = {"depth_scale": 1.0, "depth_max": FARTHEST_M}
        points = geometry.PointCloud.create_from_depth_image(depth, k, pose, **scale)
        if len(points.point.positions):
            blocks = grid.compute_unique_block_coordinates(points, TRUNCATION)
            grid.integrate(blocks, depth, k, pose, **scale, trunc_voxel_multiplier=TRUNCATION)
    if not grid.hashmap().size():
        return None
    try:
        surface = grid.extract_triangle_mesh(weight_threshold=0.0)
    except RuntimeError:  # open3d fails where there is not one triangle
        return None
    vertices, faces = surface.vertex.positions.numpy(), surface.triangle.indices.numpy()
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32))


def _own_depth(view: Observation, instance_id: int) -> np.ndarray:
    """Return (H, W) float32 depth of an instance alone [m], 0 elsewhere."""
    if instance_id not in view.instance_ids:
        return np.zeros_like(view.depth)
    mask = view.masks[view.instance_ids.index(instance_id)]
    return np.where(mask, view.depth, np.float32(0))
