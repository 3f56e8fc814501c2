"""Scores of completions of one and several views, and of plain depth fusion of the same views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.lab.evaluation.metrics import score_object, score_surface
from iscene_ros.lab.evaluation.reports import csv_text
from iscene_ros.lab.evaluation.results import object_lines, score_table
from iscene_ros.lab.evaluation.scenes import (
    MODEL,
    CompletedScene,
    ScoredObject,
    scored_body,
    scored_crops,
    scored_objects,
    true_body_camera,
)
from iscene_ros.lab.evaluation.view_scenes import SceneViews, ViewOptions, draw_views
from iscene_ros.preprocess.depth_cleaning import clean_observation
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

FUSION = "depth fusion"
# Of voxels of 2 to 4 mm and truncations of 2 to 6 voxels these are the best on training families.
VOXEL_M, TRUNCATION = 0.002, 6.0
# Blocks of 8^3 voxels; the table grows where they do not suffice.
BLOCK_SIDE, BLOCKS = 8, 2000
FARTHEST_M = 5.0


@dataclass(frozen=True)
class ViewScore:
    """Metrics of one object by one method, from a number of views."""

    views: int
    scored: ScoredObject


def view_scores(completer: SceneCompleter, options: ViewOptions) -> Iterator[list[ViewScore]]:
    """Score scene after scene: the objects of the reference view, from each number of views."""
    for number in range(options.base.scenes):
        views = draw_views(number, options)
        yield [] if views is None else _scene_scores(completer, number, views, options)


def _scene_scores(
    completer: SceneCompleter, number: int, views: SceneViews, options: ViewOptions
) -> list[ViewScore]:
    reference = resolve_mask_overlaps(views.reference.observation)
    aligned_frame = GravityAlignedFrame.from_gravity(reference.gravity_camera)
    crops = scored_crops(reference, aligned_frame)
    if not crops:
        return []
    truths = [true_body_camera(views.reference.truths[crop.index]) for crop in crops]
    found = []
    for count in options.counts:
        chosen = views.first(count)
        scene = completer.complete(chosen)
        completed = CompletedScene(number, views.reference, reference, aligned_frame, crops, scene)
        bodies = [scored_body(completed.predicted_mesh_camera(crop)) for crop in crops]
        scores = [score_object(body, truth) for body, truth in zip(bodies, truths, strict=True)]
        found += [ViewScore(count, o) for o in scored_objects(completed, MODEL, scores)]
        cleaned = [_cleaned(view) for view in chosen]
        ids = [reference.instance_ids[crop.index] for crop in crops]
        bodies = [scored_body(fused_surface(cleaned, instance_id)) for instance_id in ids]
        scores = [score_surface(body, truth) for body, truth in zip(bodies, truths, strict=True)]
        found += [ViewScore(count, o) for o in scored_objects(completed, FUSION, scores)]
    return found


def _cleaned(view: Observation) -> Observation:
    """Return a view with the masks and the depth that the completion reads."""
    aligned_frame = GravityAlignedFrame.from_gravity(view.gravity_camera)
    return clean_observation(resolve_mask_overlaps(view), aligned_frame).observation


def view_report(scores: Sequence[ViewScore]) -> str:
    """Return the means by method and number of views as Markdown."""
    rows = [((s.scored.method, str(s.views)), s.scored.score) for s in scores]
    return (
        f"Means over the same objects (those of the reference view):\n\n"
        f"{score_table(['method', 'views'], rows)}\n"
        "Depth fusion is an open surface, without a volume.\n"
    )


def view_csv(scores: Sequence[ViewScore]) -> str:
    """Return every object by method and number of views as a line of CSV."""
    heading, *lines = object_lines([s.scored for s in scores])
    numbered = zip(scores, lines, strict=True)
    return csv_text([["views", *heading], *([s.views, *line] for s, line in numbered)])


def fused_surface(views: Sequence[Observation], instance_id: int) -> Mesh | None:
    """Return the open surface that truncated distances of an instance's depth give: no completion.

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
