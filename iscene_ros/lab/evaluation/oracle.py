"""Oracle distances: the upper bound of a network with the same cubes and grid resolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.observation import Observation
from iscene_ros.lab.synthetic.scene_views import SceneView
from iscene_ros.models.base import Progress
from iscene_ros.models.mini.shape_model import MiniShapes, PredictedDistances
from iscene_ros.preprocess.crops import InstanceCrop, SceneCrops


class OracleShapes(MiniShapes):
    """The shape model of iscene-mini with the true distances of one view at the voxels.

    The errors of its meshes are due to the cubes, the resolution and the meshing alone.
    """

    def __init__(self, completer: SceneCompleter, view: SceneView, resolution: int) -> None:
        calibration = replace(completer.shapes.model.calibration, level=0.0)
        model = replace(completer.shapes.model, calibration=calibration)
        super().__init__(model)
        self.view, self.resolution = view, resolution

    def predict_distances(
        self, observation: Observation, crops: SceneCrops, progress: Progress | None = None
    ) -> PredictedDistances:
        """See `MiniShapes.predict_distances`."""
        distances = np.array([self._true_distance(crop, crops) for crop in crops.instances])
        empty = np.zeros(distances.shape, np.int8)
        return PredictedDistances(distances, np.zeros_like(distances), empty)

    def _true_distance(self, crop: InstanceCrop, crops: SceneCrops) -> np.ndarray:
        """Return (R, R, R) float32 signed distances in units of the truncation."""
        points_aligned = crop.cube.voxel_centers_aligned(self.resolution).reshape(-1, 3)
        points_camera = torch.from_numpy(crops.aligned_frame.to_camera(points_aligned)).float()
        distance = self.view.truths[crop.index].distance(points_camera).numpy()
        truncation = self.model.network.config.truncation * crop.cube.size / self.resolution
        grid = np.clip(distance / truncation, -1, 1).reshape((self.resolution,) * 3)
        return grid.astype(np.float32)
