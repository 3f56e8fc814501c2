"""From predicted distances to the objects of a scene: meshes, poses, what is known of them."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from iscene_ros.confidence import Evidence, surface_sharpness
from iscene_ros.meshing import mesh_from_distance
from iscene_ros.model.checkpoint import LoadedModel
from iscene_ros.object_frame import object_frame
from iscene_ros.observation import Observation
from iscene_ros.pictures.colors import instance_color
from iscene_ros.scene import SceneObject, SkippedObject
from iscene_ros.slots import InstanceSlot, SlotPlan
from iscene_ros.surface import depth_residual, observed_fraction, observed_vertices
from iscene_ros.view_space import ViewSpace

# (finished, in total, what is being done)
Report = Callable[[int, int, str], None]

# A part of the surface counts as seen within so many voxels of an observed point.
SEEN_VOXELS = 1.5

# The surface follows observed points no further out than this share of the truncation.
MAX_LEVEL = 0.5


class Progress:
    """Counts network evaluations and meshes."""

    def __init__(self, plan: SlotPlan, steps: int, report: Report | None) -> None:
        instances = len(plan.instances)
        self.total = instances + (1 + instances) * steps if instances else 0
        self.done = 0
        self.report = report

    def network(self, count: int) -> None:
        """So many network evaluations are finished."""
        self.advance(count, "complete")

    def advance(self, count: int, what: str) -> None:
        """So many evaluations or meshes are finished."""
        self.done += count
        if self.report is not None:
            self.report(self.done, self.total, what)


class ObjectMaker:
    """Turns the predicted distances of one observation into the scene's objects."""

    def __init__(
        self,
        model: LoadedModel,
        observation: Observation,
        view_space: ViewSpace,
        faces: int,
    ) -> None:
        self.truncation = model.network.config.truncation
        self.calibration = model.calibration
        self.observation, self.faces = observation, faces
        pose = observation.world_from_camera
        self.frame_id = "camera" if pose is None else "world"
        self.frame_from_camera = np.eye(4) if pose is None else pose
        self.frame_from_view = self.frame_from_camera @ view_space.camera_from_view()

    def make_all(
        self, plan: SlotPlan, distances: np.ndarray, seconds: float, report: Progress
    ) -> tuple[tuple[SceneObject, ...], tuple[SkippedObject, ...]]:
        """Mesh every instance; `seconds` is each one's share of the work so far."""
        objects = []
        skipped = [self._skip(index, reason) for index, reason in plan.skipped]
        for slot, distance in zip(plan.instances, distances, strict=True):
            made = self._make(slot, distance, seconds)
            if made is None:
                skipped.append(self._skip(slot.index, "the model found nothing solid in its place"))
            else:
                objects.append(made)
            report.advance(1, f"mesh {self.observation.labels[slot.index]}")
        return tuple(objects), tuple(skipped)

    def _make(self, slot: InstanceSlot, distance: np.ndarray, seconds: float) -> SceneObject | None:
        started = time.perf_counter()
        distance = distance - np.float32(self._level(slot, distance))
        mesh_view = mesh_from_distance(distance, slot.cube, self.faces)
        if mesh_view is None:
            return None
        placed = object_frame(mesh_view, self.frame_from_view, self.frame_from_view[:3, 2])
        tolerance = SEEN_VOXELS * slot.cube.size / len(distance)
        seen = observed_fraction(mesh_view, slot.points_view, tolerance)
        evidence = Evidence(surface_sharpness(distance, self.truncation), seen)
        row = slot.index
        instance_id = self.observation.instance_ids[row]
        return SceneObject(
            id=instance_id,
            label=self.observation.labels[row],
            score=self.observation.scores[row],
            mesh=placed.mesh,
            frame_from_object=placed.frame_from_object,
            size=placed.size,
            observed_fraction=seen,
            confidence=self.calibration.confidence(evidence),
            depth_residual=depth_residual(mesh_view, slot.points_view),
            seconds=seconds + time.perf_counter() - started,
            color=instance_color(instance_id),
            vertex_observed=observed_vertices(mesh_view, slot.points_view, tolerance),
        )

    def _level(self, slot: InstanceSlot, distance: np.ndarray) -> float:
        """Where to cut out the surface: as calibrated, or further out to meet what was seen.

        Observed points lie on the surface. Where the prediction recedes from most of them, as it
        does from parts that are thinner than a voxel, the surface follows them.
        """
        voxels = (slot.cube.from_view(slot.points_view) + 0.5) * len(distance) - 0.5
        seen = ndimage.map_coordinates(distance, voxels.T, order=1, mode="nearest")
        return max(self.calibration.level, min(float(np.median(seen)), MAX_LEVEL))

    def _skip(self, index: int, reason: str) -> SkippedObject:
        observation = self.observation
        return SkippedObject(observation.instance_ids[index], observation.labels[index], reason)
