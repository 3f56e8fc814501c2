"""From predicted shapes to the objects of a scene: meshes, poses, what is known of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import numpy as np

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import SceneObject, SkippedObject
from iscene_ros.geometry.object_frame import object_frame
from iscene_ros.geometry.stability import object_properties
from iscene_ros.geometry.surface_distance import (
    depth_residual,
    observed_fraction,
    observed_vertices,
)
from iscene_ros.models.base import PredictedShape, Prediction, Progress
from iscene_ros.viz.colors import instance_color

# A part of the surface counts as seen within so many cells of an observed point.
SEEN_CELLS = 1.5


class ObjectMaker:
    """Turns what a model predicted for one observation into the scene's objects."""

    def __init__(self, observation: Observation, aligned_frame: GravityAlignedFrame) -> None:
        self.observation = observation
        pose = observation.world_from_camera
        self.frame_id = "camera" if pose is None else "world"
        self.frame_from_camera = np.eye(4) if pose is None else pose
        self.frame_from_aligned = self.frame_from_camera @ aligned_frame.camera_from_aligned()

    def make_all(
        self, prediction: Prediction, seconds: float, progress: Progress, threads: int = 1
    ) -> tuple[tuple[SceneObject, ...], tuple[SkippedObject, ...]]:
        """Mesh every instance, `threads` of them at a time; they do not depend on one another.

        `seconds` is each one's share of the work so far.
        """
        objects = []
        skipped = [self._skip(row, reason) for row, reason in prediction.skipped]
        make = partial(self._make, seconds=seconds)
        # Closed where somebody stops the completion, so that what is not begun yet is left.
        with (
            ThreadPoolExecutor(threads) as pool,
            closing(pool.map(make, prediction.shapes)) as meshed,
        ):
            for shape, made in zip(prediction.shapes, meshed, strict=True):
                if made is None:
                    reason = "the model found nothing solid in its place"
                    skipped.append(self._skip(shape.row, reason))
                else:
                    objects.append(made)
                progress.advance(1, f"mesh {self.observation.labels[shape.row]}")
        return tuple(objects), tuple(skipped)

    def _make(self, shape: PredictedShape, seconds: float) -> SceneObject | None:
        started = time.perf_counter()
        made = shape.mesh()
        if made is None:
            return None
        mesh_aligned, points_aligned = made.mesh_aligned, shape.points_aligned
        placed = object_frame(mesh_aligned, self.frame_from_aligned, self.frame_from_aligned[:3, 2])
        tolerance = SEEN_CELLS * shape.cell
        seen = observed_fraction(mesh_aligned, points_aligned, tolerance)
        instance_id = self.observation.instance_ids[shape.row]
        vertex_observed = observed_vertices(mesh_aligned, points_aligned, tolerance)
        return SceneObject(
            id=instance_id,
            label=self.observation.labels[shape.row],
            score=self.observation.scores[shape.row],
            mesh=placed.mesh,
            frame_from_object=placed.frame_from_object,
            size=placed.size,
            observed_fraction=seen,
            confidence=shape.confidence(seen),
            depth_residual=depth_residual(mesh_aligned, points_aligned),
            seconds=seconds + time.perf_counter() - started,
            color=instance_color(instance_id),
            vertex_observed=vertex_observed,
            vertex_colors=made.vertex_colors,
            vertex_sigma=made.vertex_sigma,
            uncertainty=_uncertainty(made.vertex_sigma, vertex_observed),
            properties=object_properties(placed.mesh),
        )

    def _skip(self, row: int, reason: str) -> SkippedObject:
        observation = self.observation
        return SkippedObject(observation.instance_ids[row], observation.labels[row], reason)


def _uncertainty(vertex_sigma: np.ndarray | None, observed: np.ndarray) -> float | None:
    """Median standard deviation of what the camera did not see [m]; of all where it saw all."""
    if vertex_sigma is None:
        return None
    return float(np.median(vertex_sigma if observed.all() else vertex_sigma[~observed]))
