"""The most that a network could score: true distances, in the cubes and grids that it has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.observation import Observation
from iscene_ros.lab.training.samples import SceneView
from iscene_ros.models.base import Progress
from iscene_ros.models.mini.scene_sampler import SceneSamplerOptions
from iscene_ros.models.mini.shape_model import MiniShapes, PredictedDistances
from iscene_ros.preprocess.crops import InstanceCrop, SceneCrops


def with_true_distances(
    completer: SceneCompleter, view: SceneView, resolution: int
) -> SceneCompleter:
    """A completer of one view that knows the truth, but only at the voxels of its cubes.

    What its meshes lack is due to the cubes, to the resolution and to the meshing.
    """
    return SceneCompleter(TrueShapes(completer, view, resolution), completer.relations)


class TrueShapes(MiniShapes):
    """As iscene-mini, with true distances in place of the network's."""

    def __init__(self, completer: SceneCompleter, view: SceneView, resolution: int) -> None:
        calibration = replace(completer.shapes.model.calibration, level=0.0)
        model = replace(completer.shapes.model, calibration=calibration)
        super().__init__(model, completer.shapes.sampler)
        self.view, self.resolution = view, resolution

    def predict_distances(
        self,
        observation: Observation,
        plan: SceneCrops,
        options: SceneSamplerOptions,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> PredictedDistances:
        """See `MiniShapes.predict_distances`."""
        distances = np.array([self._true_distance(slot, plan) for slot in plan.instances])
        return PredictedDistances(distances, np.zeros_like(distances))

    def _true_distance(self, slot: InstanceCrop, plan: SceneCrops) -> np.ndarray:
        """(R, R, R) float32 in units of the truncation."""
        points_aligned = slot.cube.voxel_centers_aligned(self.resolution).reshape(-1, 3)
        points_camera = torch.from_numpy(plan.aligned_frame.to_camera(points_aligned)).float()
        distance = self.view.truths[slot.index].distance(points_camera).numpy()
        truncation = self.model.network.config.truncation * slot.cube.size / self.resolution
        grid = np.clip(distance / truncation, -1, 1).reshape((self.resolution,) * 3)
        return grid.astype(np.float32)
