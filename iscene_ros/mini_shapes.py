"""Shapes by iscene-mini: signed distances in one zoomed cube an instance, conditioned on depth."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from iscene_ros.confidence import Calibration, Evidence, surface_sharpness
from iscene_ros.errors import ModelError
from iscene_ros.impossible_readings import without_impossible_readings
from iscene_ros.meshing import mesh_from_distance
from iscene_ros.model.checkpoint import LoadedModel
from iscene_ros.model.scene_sampler import SceneSamplerOptions, SlotInputs, sample_scene
from iscene_ros.model.volume_flow import token_positions
from iscene_ros.observation import Observation
from iscene_ros.predicted_shapes import Prediction, PredictionRequest, Progress, ShapeMesh
from iscene_ros.slot_batch import slot_batch
from iscene_ros.slots import FitOptions, InstanceSlot, SlotPlan, plan_slots
from iscene_ros.view_space import ViewSpace

# The surface follows observed points no further out than this share of the truncation.
MAX_LEVEL = 0.5


class MiniShapes:
    """The shape model of a checkpoint of iscene-mini; see `ShapeModel`."""

    needs_depth = True

    def __init__(self, model: LoadedModel, sampler: SceneSamplerOptions, fit: FitOptions) -> None:
        self.model, self.sampler, self.fit = model, sampler, fit
        self.name, self.checksum, self.device = model.name, model.checksum, model.device

    @property
    def objects_at_once(self) -> int:
        """Instances computed together."""
        return self.sampler.chunk

    def predict(
        self,
        observation: Observation,
        view_space: ViewSpace,
        request: PredictionRequest,
        progress: Progress,
    ) -> Prediction:
        """See `ShapeModel.predict`."""
        started = time.perf_counter()
        sampler = self._sampler(request.steps)
        plan = plan_slots(observation, view_space, self.fit)
        observation = without_impossible_readings(observation, plan)
        prepared = time.perf_counter()
        instances, steps = len(plan.instances), sampler.flow.steps
        progress.expect(instances + (1 + instances) * steps if instances else 0)
        distances = self.distances(observation, plan, sampler, request.seed, progress.network)
        truncation, calibration = self.model.network.config.truncation, self.model.calibration
        return Prediction(
            observation=observation,
            shapes=tuple(
                DistanceShape(slot, distance, truncation, calibration, request.faces)
                for slot, distance in zip(plan.instances, distances, strict=True)
            ),
            skipped=plan.skipped,
            steps=steps,
            prepare_seconds=prepared - started,
            network_seconds=time.perf_counter() - prepared,
        )

    def distances(
        self,
        observation: Observation,
        plan: SlotPlan,
        sampler: SceneSamplerOptions | None = None,
        seed: int = 0,
        advance: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """What the network predicts for the planned instances of a rectified observation.

        Returns:
            (N, R, R, R) float32 signed distance at the voxel centres of the instances' cubes, in
            units of the truncation, negative inside.

        Raises:
            ModelError: the network returned what is no distance.
        """
        config = self.model.network.config
        if not plan.instances:
            return np.zeros((0, *(config.resolution,) * 3), np.float32)
        batch = slot_batch(observation, plan, True, self.device)
        volumes = batch.observe(config.resolution, config.truncation)
        scene = batch.centers[:1].expand_as(batch.centers), batch.sizes[:1].expand_as(batch.sizes)
        side = config.flow.tokens_per_side
        positions = token_positions(batch.centers, batch.sizes, *scene, side)
        ids = (observation.instance_ids[slot.index] for slot in plan.instances)
        inputs = SlotInputs(volumes.channels(), positions, (0, *ids))
        options = sampler or self.sampler
        distances = sample_scene(self.model.network, inputs, options, seed, advance).numpy()
        if not np.isfinite(distances).all():
            raise ModelError(
                f"model {self.name}: its output is not finite; the weights are damaged or "
                "the precision of the device is too low"
            )
        return distances

    def _sampler(self, steps: int | None) -> SceneSamplerOptions:
        if steps is None:
            return self.sampler
        return replace(self.sampler, flow=replace(self.sampler.flow, steps=steps))


@dataclass(frozen=True)
class DistanceShape:
    """A signed distance in an instance's cube; see `PredictedShape`.

    Attributes:
        slot: the cube and what was seen in it.
        distance: (R, R, R) float32 in units of the truncation, negative inside.
        truncation: [voxels].
        calibration: fitted to the weights.
        faces: triangle budget of the mesh.
    """

    slot: InstanceSlot
    distance: np.ndarray
    truncation: float
    calibration: Calibration
    faces: int

    @property
    def row(self) -> int:
        """Of the observation's masks."""
        return self.slot.index

    @property
    def points_view(self) -> np.ndarray:
        """(M, 3) observed points [m]."""
        return self.slot.points_view

    @property
    def cell(self) -> float:
        """Edge of a voxel [m]."""
        return self.slot.cube.size / len(self.distance)

    def mesh(self) -> ShapeMesh | None:
        """See `PredictedShape.mesh`."""
        mesh_view = mesh_from_distance(self._leveled(), self.slot.cube, self.faces)
        return None if mesh_view is None else ShapeMesh(mesh_view)

    def confidence(self, observed_fraction: float) -> float:
        """The expected overlap (IoU) with the true object."""
        sharpness = surface_sharpness(self._leveled(), self.truncation)
        return self.calibration.confidence(Evidence(sharpness, observed_fraction))

    def _leveled(self) -> np.ndarray:
        """The distance to the surface that is cut out: as calibrated, or further out.

        Observed points lie on the surface. Where the prediction recedes from most of them, as it
        does from parts that are thinner than a voxel, the surface follows them.
        """
        voxels = (self.slot.cube.from_view(self.points_view) + 0.5) * len(self.distance) - 0.5
        seen = ndimage.map_coordinates(self.distance, voxels.T, order=1, mode="nearest")
        level = max(self.calibration.level, min(float(np.median(seen)), MAX_LEVEL))
        return self.distance - np.float32(level)
