"""Assembly of scene objects from predicted shapes: meshes, poses and their measures."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import numpy as np

from iscene_ros.core.colors import instance_color
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

# A part of the surface counts as observed within so many cells of an observed point.
OBSERVED_CELLS = 1.5


class ObjectAssembly:
    """Turns the prediction for one observation into the scene's objects.

    Attributes:
        frame_id: "world" where the observation has a pose, else "camera".
        frame_from_camera: (4, 4) float64 transform into that frame.
    """

    def __init__(self, observation: Observation, aligned_frame: GravityAlignedFrame) -> None:
        self.observation = observation
        pose = observation.world_from_camera
        self.frame_id = "camera" if pose is None else "world"
        self.frame_from_camera = np.eye(4) if pose is None else pose
        self.frame_from_aligned = self.frame_from_camera @ aligned_frame.camera_from_aligned()

    def assemble(
        self, prediction: Prediction, seconds: float, progress: Progress, threads: int = 1
    ) -> tuple[tuple[SceneObject, ...], tuple[SkippedObject, ...]]:
        """Mesh every instance, `threads` of them at a time; they do not depend on one another.

        `seconds` is each instance's share of the work so far.
        """
        objects = []
        skipped = [self._skip(row, reason) for row, reason in prediction.skipped]
        make = partial(self._assemble_one, seconds=seconds)
        # Closed also when the completion is cancelled, so that no further mesh is begun.
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

    def _assemble_one(self, shape: PredictedShape, seconds: float) -> SceneObject | None:
        started = time.perf_counter()
        made = shape.mesh()
        if made is None:
            return None
        mesh_aligned, points_aligned = made.mesh_aligned, shape.points_aligned
        framed = object_frame(mesh_aligned, self.frame_from_aligned, self.frame_from_aligned[:3, 2])
        tolerance = OBSERVED_CELLS * shape.cell
        fraction = observed_fraction(mesh_aligned, points_aligned, tolerance)
        instance_id = self.observation.instance_ids[shape.row]
        seen, sigma = observed_vertices(mesh_aligned, points_aligned, tolerance), made.vertex_sigma
        uncertainty = None
        if sigma is not None:
            uncertainty = float(np.median(sigma if seen.all() else sigma[~seen]))
        return SceneObject(
            id=instance_id,
            label=self.observation.labels[shape.row],
            score=self.observation.scores[shape.row],
            mesh=framed.mesh,
            frame_from_object=framed.frame_from_object,
            size=framed.size,
            observed_fraction=fraction,
            confidence=shape.confidence(fraction),
            depth_residual=depth_residual(mesh_aligned, points_aligned),
            seconds=seconds + time.perf_counter() - started,
            color=instance_color(instance_id),
            vertex_observed=seen,
            vertex_colors=made.vertex_colors,
            vertex_sigma=sigma,
            uncertainty=uncertainty,
            properties=object_properties(framed.mesh),
        )

    def _skip(self, row: int, reason: str) -> SkippedObject:
        observation = self.observation
        return SkippedObject(observation.instance_ids[row], observation.labels[row], reason)
