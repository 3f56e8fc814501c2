"""Fitting what a finished checkpoint needs beside its weights, on rendered scenes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from iscene_ros.completion.object_assembly import OBSERVED_CELLS
from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.surface_distance import observed_fraction
from iscene_ros.lab.evaluation.metrics import OBJECT_RESOLUTION, ScoredBody, body_iou
from iscene_ros.lab.evaluation.rendered_scenes import EvaluationOptions, true_placed_body
from iscene_ros.lab.evaluation.uncertainty_fit import fit_uncertainty
from iscene_ros.lab.synthetic.shape_families import ShapeOptions
from iscene_ros.lab.training.samples import SampleOptions, SceneView, draw_view
from iscene_ros.models.base import PredictionRequest, Progress
from iscene_ros.models.mini.checkpoint import load_model, save_weights
from iscene_ros.models.mini.confidence import Calibration, ConfidenceModel, Evidence
from iscene_ros.models.mini.predicted_shape import DistanceShape
from iscene_ros.models.mini.uncertainty import SurfaceEvidence
from iscene_ros.models.registry import checkpoint_path
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

LEVELS = np.linspace(-0.1, 0.2, 13)
# So many of the objects are of families that came later than the shipped weights: who fits to what
# a network has seen alone promises too much of what it has not.
FURTHER_SHARE = 1 / 6
# Of the sum of squares over the cases, for standardised evidence.
RIDGE = 10.0
# Places on the surface of a case.
PLACES = 200


@dataclass(frozen=True)
class Case:
    """One completion beside the truth.

    Attributes:
        evidence: what the model knows of it.
        iou: overlap with the true object.
        surface: evidence at P places on the surface.
        errors: (P,) distance of these to the true surface [voxels].
    """

    evidence: Evidence
    iou: float
    surface: SurfaceEvidence
    errors: np.ndarray


@dataclass(frozen=True)
class CompletedShape:
    """A predicted shape of a rendered view, and the truth.

    Attributes:
        shape: what was predicted.
        view: that it was predicted from.
        aligned_frame: in which the shape's cube lies.
    """

    shape: DistanceShape
    view: SceneView
    aligned_frame: GravityAlignedFrame

    def true_body(self) -> ScoredBody | None:
        """The true object, in the camera's frame."""
        return true_placed_body(self.view.truths[self.shape.row])

    def body(self, mesh_aligned: Mesh) -> ScoredBody:
        """A mesh of the shape, in the camera's frame."""
        return ScoredBody(mesh_aligned.transformed(self.aligned_frame.camera_from_aligned()))

    def distance_to_truth(self, points_aligned: np.ndarray) -> np.ndarray:
        """(P,) signed distance of points (P, 3) to the true surface [m]."""
        points_camera = torch.from_numpy(self.aligned_frame.to_camera(points_aligned)).float()
        return self.view.truths[self.shape.row].distance(points_camera).numpy()

    def true_inside(self) -> np.ndarray:
        """(R, R, R) bool: voxels whose centres lie in the true object."""
        side = len(self.shape.distance)
        points_aligned = self.shape.slot.cube.voxel_centers_aligned(side).reshape(-1, 3)
        return (self.distance_to_truth(points_aligned) < 0).reshape((side,) * 3)

    def inside(self, level: float) -> np.ndarray:
        """(R, R, R) bool: voxels inside, were the surface cut out at this level."""
        return replace(self.shape, calibration=Calibration(level=level)).inside


def with_calibration(completer: SceneCompleter, calibration: Calibration) -> SceneCompleter:
    """The same network, calibrated otherwise."""
    return SceneCompleter(
        completer.shapes.with_model(replace(completer.shapes.model, calibration=calibration)),
        completer.relations,
    )


def fit_level(completer: SceneCompleter, options: EvaluationOptions) -> float:
    """The level of the predicted distance with the largest mean voxel overlap."""
    overlaps: list[list[float]] = []
    for view in _views(options, calibration_samples(options)):
        for completed in completed_shapes(completer, view, options):
            truth = completed.true_inside()
            if truth.any():
                overlaps.append([_overlap(completed.inside(level), truth) for level in LEVELS])
    return float(LEVELS[int(np.argmax(np.mean(overlaps, axis=0)))])


def fit_calibration(cases: list[Case], level: float) -> Calibration:
    """Confidence and uncertainty of completions whose surface was cut out at a level."""
    confidence = fit_confidence([c.evidence for c in cases], np.array([c.iou for c in cases]))
    uncertainty = fit_uncertainty([c.surface for c in cases], [c.errors for c in cases])
    return Calibration(confidence, level, uncertainty)


def fit_confidence(evidence: list[Evidence], overlaps: np.ndarray) -> ConfidenceModel:
    """Ridge regression of the true overlaps (M,) of M completions."""
    table = np.array([list(vars(e).values()) for e in evidence], np.float64)
    center, spread = table.mean(axis=0), table.std(axis=0) + 1e-9
    columns = (table - center) / spread
    square = columns.T @ columns + RIDGE * np.eye(columns.shape[1])
    slopes = np.linalg.solve(square, columns.T @ (overlaps - overlaps.mean())) / spread
    return ConfidenceModel(float(overlaps.mean() - slopes @ center), *(float(s) for s in slopes))


def calibration_cases(completer: SceneCompleter, options: EvaluationOptions) -> Iterator[Case]:
    """The completions of other scenes than an evaluation with the same options has."""
    rng = np.random.default_rng(options.seed)
    for view in _views(options, calibration_samples(options)):
        for completed in completed_shapes(completer, view, options):
            case = _case(completed, rng)
            if case is not None:
                yield case


def calibration_samples(options: EvaluationOptions) -> SampleOptions:
    """Scenes of training families, and of some that the shipped weights never saw."""
    shapes = ShapeOptions(further_share=FURTHER_SHARE)
    return replace(options.samples(), held_out=False, shapes=shapes)


def completed_shapes(
    completer: SceneCompleter, view: SceneView, options: EvaluationOptions
) -> Iterator[CompletedShape]:
    """What is predicted for the instances of a view that have enough readings."""
    observation = resolve_mask_overlaps(view.observation.rectified())
    space = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    request = PredictionRequest(options.steps)
    prediction = completer.shapes.predict(observation, space, request, Progress(None))
    readings = (observation.masks & (observation.depth > 0)).sum(axis=(1, 2))
    for shape in prediction.shapes:
        if readings[shape.row] >= options.min_readings:
            yield CompletedShape(shape, view, space)


def write_calibration(model: str, calibration: Calibration) -> Path:
    """Write it into the model's file, whose weights stay as they are."""
    path = checkpoint_path(model)
    save_weights(load_model(path).network, path, calibration)
    return path


def _views(options: EvaluationOptions, samples: SampleOptions) -> Iterator[SceneView]:
    for number in range(options.scenes):
        yield draw_view(np.random.default_rng([options.seed, number, 1]), samples)


def _case(completed: CompletedShape, rng: np.random.Generator) -> Case | None:
    shape, truth, made = completed.shape, completed.true_body(), completed.shape.mesh()
    if made is None or truth is None:
        return None
    vertices = made.mesh_aligned.vertices
    places = vertices[rng.integers(len(vertices), size=PLACES)]
    seen = observed_fraction(made.mesh_aligned, shape.points_aligned, OBSERVED_CELLS * shape.cell)
    return Case(
        evidence=shape.evidence(seen),
        iou=body_iou([completed.body(made.mesh_aligned)], [truth], OBJECT_RESOLUTION),
        surface=shape.surface_evidence(places),
        errors=np.abs(completed.distance_to_truth(places)) / shape.cell,
    )


def _overlap(predicted: np.ndarray, truth: np.ndarray) -> float:
    return float((predicted & truth).sum() / (predicted | truth).sum())
