"""Rendered scenes with exact truth, completed and scored beside simple baselines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh, Scene, SceneObject
from iscene_ros.lab.evaluation.baselines import BASELINES
from iscene_ros.lab.evaluation.bodies import TRUTH_RESOLUTION, ScoredBody, true_body
from iscene_ros.lab.evaluation.metrics import Score, score_scene
from iscene_ros.lab.synthetic.random_scenes import SceneOptions
from iscene_ros.lab.synthetic.scene_views import (
    DrawOptions,
    GroundTruthObject,
    SceneView,
    draw_view,
)
from iscene_ros.models.base import Progress
from iscene_ros.models.mini.shape_model import MiniShapes, PredictedDistances
from iscene_ros.preprocess.crops import InstanceCrop, SceneCrops, fit_crops
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

MODEL = "iscene-mini"
# Instances with fewer depth readings are left out: ten pixels could belong to anything.
MIN_READINGS = 100


@dataclass(frozen=True)
class EvaluationOptions:
    """Choice of rendered scenes and of what is scored on them.

    Attributes:
        scenes: Number of rendered scenes.
        seed: Seed of the scenes; training uses others.
        held_out: Whether shape families are those that training never sees, or those that it does.
        baselines: Whether to score the baselines, too.
        oracle_resolution: Score true distances on grids of so many voxels a side instead of the
            model's prediction; None = score the model.
    """

    scenes: int = 40
    seed: int = 1000
    held_out: bool = True
    baselines: bool = True
    oracle_resolution: int | None = None

    @property
    def method(self) -> str:
        """Name of what is scored beside the baselines."""
        side = self.oracle_resolution
        return MODEL if side is None else f"truth at {side}^3"

    def samples(self) -> DrawOptions:
        """Return the options of the scenes: as in training, with more single objects."""
        return DrawOptions(held_out=self.held_out, scene=SceneOptions(single_share=0.25))


@dataclass(frozen=True)
class ScoredObject:
    """Metrics of one object by one method.

    Attributes:
        scene: Number of the scene.
        instance: Id of the object within the scene.
        family: Shape family.
        layout: Layout of the scene.
        method: "iscene-mini" or a baseline.
        score: Metrics against the truth.
        confidence, observed_fraction, depth_residual, uncertainty: As the model reports them, else
            NaN.
    """

    scene: int
    instance: int
    family: str
    layout: str
    method: str
    score: Score
    confidence: float = float("nan")
    observed_fraction: float = float("nan")
    depth_residual: float = float("nan")
    uncertainty: float = float("nan")


@dataclass(frozen=True)
class ScoredScene:
    """Metrics of the objects of one scene, and of the scene as a whole by method."""

    objects: tuple[ScoredObject, ...]
    wholes: dict[str, Score]


@dataclass(frozen=True, eq=False)
class CompletedScene:
    """A rendered view and its completion.

    Attributes:
        number: Number of the scene.
        view: The rendered view with the truth.
        observation: The observation of the view; its masks do not overlap.
        aligned_frame: Gravity-aligned frame of the observation.
        crops: Crops of the instances that are scored.
        scene: The completed scene.
    """

    number: int
    view: SceneView
    observation: Observation
    aligned_frame: GravityAlignedFrame
    crops: tuple[InstanceCrop, ...]
    scene: Scene

    def completed_object(self, crop: InstanceCrop) -> SceneObject | None:
        """Return the completed object of a crop; None where it is missing."""
        instance = self.observation.instance_ids[crop.index]
        return next((o for o in self.scene.objects if o.id == instance), None)

    def predicted_mesh_camera(self, crop: InstanceCrop) -> Mesh | None:
        """Return the completed mesh of a crop in the camera frame; None where it is missing."""
        found = self.completed_object(crop)
        if found is None:
            return None
        camera_from_frame = np.linalg.inv(self.scene.frame_from_camera)
        return found.mesh.transformed(camera_from_frame @ found.frame_from_object)


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


def evaluate_scenes(
    completer: SceneCompleter, options: EvaluationOptions
) -> Iterator[ScoredScene | None]:
    """Score scene after scene; None for a view in which nothing has enough depth."""
    for completed in completed_scenes(completer, options):
        yield None if completed is None else score_completed(completed, options)


def completed_scenes(
    completer: SceneCompleter, options: EvaluationOptions
) -> Iterator[CompletedScene | None]:
    """Render and complete scene after scene; None where nothing has enough depth."""
    for number in range(options.scenes):
        view = draw_view(np.random.default_rng([options.seed, number]), options.samples())
        observation = resolve_mask_overlaps(view.observation)
        aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
        crops = scored_crops(observation, aligned_frame)
        if not crops:
            yield None
            continue
        chosen = completer
        if options.oracle_resolution is not None:
            oracle = OracleShapes(completer, view, options.oracle_resolution)
            chosen = SceneCompleter(oracle, completer.relations)
        scene = chosen.complete(view.observation)
        yield CompletedScene(number, view, observation, aligned_frame, crops, scene)


def scored_crops(
    observation: Observation, aligned_frame: GravityAlignedFrame
) -> tuple[InstanceCrop, ...]:
    """Return the crops of the instances with enough depth to be scored."""
    readings = (observation.masks & (observation.depth > 0)).sum(axis=(1, 2))
    crops = fit_crops(observation, aligned_frame).instances
    return tuple(crop for crop in crops if readings[crop.index] >= MIN_READINGS)


def score_completed(completed: CompletedScene, options: EvaluationOptions) -> ScoredScene:
    """Score the model, and the baselines if `options` include them, on one scene."""
    crops, camera_from_aligned = completed.crops, completed.aligned_frame.camera_from_aligned()
    truths = [true_body_camera(completed.view.truths[crop.index]) for crop in crops]
    predicted = {options.method: [completed.predicted_mesh_camera(crop) for crop in crops]}
    baselines = BASELINES if options.baselines else {}
    for name, complete in baselines.items():
        made = (complete(crop.points_aligned, crop.support_height) for crop in crops)
        predicted[name] = [
            None if mesh is None else mesh.transformed(camera_from_aligned) for mesh in made
        ]
    objects, wholes = [], {}
    for method, meshes in predicted.items():
        scores = score_scene([scored_body(mesh) for mesh in meshes], truths)
        wholes[method] = scores.whole
        objects += scored_objects(completed, method, scores.objects)
    return ScoredScene(tuple(objects), wholes)


def true_body_camera(
    truth: GroundTruthObject, resolution: int = TRUTH_RESOLUTION
) -> ScoredBody | None:
    """Return the true object in the camera frame; None where it is empty.

    Args:
        truth: Exact distance and pose of the object.
        resolution: Number of grid points along the longest edge, from which the mesh is made.
    """
    pose = truth.camera_from_object
    corners = truth.solid.corners() @ pose[:3, :3].T + pose[:3, 3]

    def distance(points_camera: np.ndarray) -> np.ndarray:
        return truth.distance(torch.from_numpy(points_camera).float()).numpy()

    return true_body(distance, corners.min(axis=0), corners.max(axis=0), resolution)


def scored_body(mesh_camera: Mesh | None) -> ScoredBody | None:
    """Return the body of a mesh; None where it is missing."""
    return None if mesh_camera is None else ScoredBody(mesh_camera)


def scored_objects(
    completed: CompletedScene, method: str, scores: Sequence[Score]
) -> list[ScoredObject]:
    """Return the scores of a method with what the model reports of its own objects."""
    view, scored = completed.view, []
    for crop, score in zip(completed.crops, scores, strict=True):
        instance = completed.observation.instance_ids[crop.index]
        about = (instance, view.truths[crop.index].family, view.layout, method)
        found = completed.completed_object(crop) if method == MODEL else None
        reported = ()
        if found is not None:
            uncertainty = np.nan if found.uncertainty is None else found.uncertainty
            reported = (found.confidence, found.observed_fraction, found.depth_residual)
            reported = (*reported, uncertainty)
        scored.append(ScoredObject(completed.number, *about, score, *reported))
    return scored
