"""Calibration of a trained checkpoint on rendered scenes: level, confidence and uncertainty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import minimize
from tqdm import tqdm

from iscene_ros.completion.object_assembly import OBSERVED_CELLS
from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.surface_distance import observed_fraction
from iscene_ros.lab.evaluation.bodies import ScoredBody
from iscene_ros.lab.evaluation.metrics import OBJECT_RESOLUTION, body_iou
from iscene_ros.lab.evaluation.scenes import MIN_READINGS, EvaluationOptions, true_body_camera
from iscene_ros.lab.synthetic.scene_views import SceneView, draw_view
from iscene_ros.lab.synthetic.shape_families import ShapeOptions
from iscene_ros.models.base import CompletionRequest, Progress
from iscene_ros.models.mini.confidence import (
    Calibration,
    ConfidenceModel,
    Evidence,
    SurfaceEvidence,
    UncertaintyModel,
)
from iscene_ros.models.mini.predicted_shape import DistanceShape
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

LEVELS = np.linspace(-0.1, 0.2, 13)
# Share of objects of further families: a fit to the plain ones alone is overconfident elsewhere,
# one to all that training draws, in which thin walls abound, too modest.
FURTHER_SHARE = 1 / 6
# Ridge penalty beside the sum of squares over the cases, for standardised evidence.
RIDGE = 10.0
# Points on the surface of a case.
SURFACE_POINTS = 200
# Degrees of freedom of the Student distribution of the errors: a few points are simply wrong.
FREEDOM = 3.0
UNCERTAINTY_RIDGE = 1e-4
# Shares of a normal distribution within one and two standard deviations.
WITHIN = (0.683, 0.954)
SCALES = np.linspace(0.5, 3.0, 126)


@dataclass(frozen=True)
class Case:
    """One completion and its errors.

    Attributes:
        evidence: Evidence that the confidence is computed from.
        iou: Intersection over union with the true object.
        surface: Evidence at P points on the surface.
        errors: (P,) distance of these points to the true surface [cells of the shape].
    """

    evidence: Evidence
    iou: float
    surface: SurfaceEvidence
    errors: np.ndarray


@dataclass(frozen=True)
class CompletedShape:
    """A predicted shape of a rendered view, with access to the truth.

    Attributes:
        shape: The prediction.
        view: The rendered view that it was predicted from.
        aligned_frame: Frame of the shape's cube.
    """

    shape: DistanceShape
    view: SceneView
    aligned_frame: GravityAlignedFrame

    def true_body(self) -> ScoredBody | None:
        """Return the true object in the camera frame."""
        return true_body_camera(self.view.truths[self.shape.row])

    def body(self, mesh_aligned: Mesh) -> ScoredBody:
        """Transform a mesh of the shape to the camera frame."""
        return ScoredBody(mesh_aligned.transformed(self.aligned_frame.camera_from_aligned()))

    def distance_to_truth(self, points_aligned: np.ndarray) -> np.ndarray:
        """Return (P,) signed distances of points (P, 3) to the true surface [m]."""
        points_camera = torch.from_numpy(self.aligned_frame.to_camera(points_aligned)).float()
        return self.view.truths[self.shape.row].distance(points_camera).numpy()

    def true_inside(self) -> np.ndarray:
        """Return (R, R, R) bool, voxels whose centres lie in the true object."""
        side = len(self.shape.distance)
        points_aligned = self.shape.crop.cube.voxel_centers_aligned(side).reshape(-1, 3)
        return (self.distance_to_truth(points_aligned) < 0).reshape((side,) * 3)

    def inside(self, level: float) -> np.ndarray:
        """Return (R, R, R) bool, voxels inside of the surface at this level.

        Neighbours do not limit it, as they do not limit the truth either.
        """
        return replace(self.shape, calibration=Calibration(level=level), separated=None).inside


def with_calibration(completer: SceneCompleter, calibration: Calibration) -> SceneCompleter:
    """Return a completer of the same network with another calibration."""
    return SceneCompleter(
        completer.shapes.with_model(replace(completer.shapes.model, calibration=calibration)),
        completer.relations,
    )


def fitted_calibration(
    completer: SceneCompleter, options: EvaluationOptions, keep_level: bool
) -> Calibration:
    """Fit level, confidence and uncertainty of a network.

    Args:
        completer: Completer with the network.
        options: Scenes to fit to, which no evaluation draws; a sixth of them for the level.
        keep_level: Whether to keep the level, and with it all meshes.

    Raises:
        InputError: Nothing was completed in these scenes.
    """
    level = completer.shapes.model.calibration.level
    if not keep_level:
        fewer = replace(options, scenes=-(-options.scenes // 6))
        level = fit_level(with_calibration(completer, Calibration()), fewer)
    completer = with_calibration(completer, Calibration(level=level))
    rng = np.random.default_rng(options.seed)
    shapes = tqdm(calibration_shapes(completer, options), unit="object")
    found = (_case(shape, rng) for shape in shapes)
    cases = [case for case in found if case is not None]
    if not cases:
        raise InputError(f"evaluate calibrate: no object in {options.scenes} scenes: take more")
    confidence = fit_confidence([c.evidence for c in cases], np.array([c.iou for c in cases]))
    uncertainty = fit_uncertainty([c.surface for c in cases], [c.errors for c in cases])
    return Calibration(confidence, level, uncertainty)


def fit_level(completer: SceneCompleter, options: EvaluationOptions) -> float:
    """Return the level of the predicted distance with the largest mean voxel IoU.

    Raises:
        InputError: Nothing was completed in these scenes.
    """
    overlaps: list[list[float]] = []
    for completed in calibration_shapes(completer, options):
        truth = completed.true_inside()
        if truth.any():
            insides = (completed.inside(level) for level in LEVELS)
            overlaps.append([(one & truth).sum() / (one | truth).sum() for one in insides])
    if not overlaps:
        raise InputError(f"evaluate calibrate: no object in {options.scenes} scenes: take more")
    return float(LEVELS[int(np.argmax(np.mean(overlaps, axis=0)))])


def calibration_shapes(
    completer: SceneCompleter, options: EvaluationOptions
) -> Iterator[CompletedShape]:
    """Yield the predicted shapes of scenes of plain training families and a few further ones."""
    shapes = ShapeOptions(further_share=FURTHER_SHARE)
    samples = replace(options.samples(), held_out=False, shapes=shapes)
    for number in range(options.scenes):
        view = draw_view(np.random.default_rng([options.seed, number, 1]), samples)
        yield from completed_shapes(completer, view)


def fit_confidence(evidence: list[Evidence], overlaps: np.ndarray) -> ConfidenceModel:
    """Fit a ridge regression of the true IoU (M,) of M completions to their evidence."""
    table = np.array([list(vars(e).values()) for e in evidence], np.float64)
    center, spread = table.mean(axis=0), table.std(axis=0) + 1e-9
    columns = (table - center) / spread
    square = columns.T @ columns + RIDGE * np.eye(columns.shape[1])
    slopes = np.linalg.solve(square, columns.T @ (overlaps - overlaps.mean())) / spread
    weights = Evidence(*(float(slope) for slope in slopes))
    return ConfidenceModel(float(overlaps.mean() - slopes @ center), weights)


def fit_uncertainty(surfaces: list[SurfaceEvidence], errors: list[np.ndarray]) -> UncertaintyModel:
    """Fit by likelihood, then scale until one and two sigma hold the shares of a normal error.

    Args:
        surfaces: Evidence at points on each of M completed surfaces.
        errors: M arrays, the distance of these points to the true surface [cells].
    """
    columns = np.concatenate([surface.columns() for surface in surfaces])
    error = np.concatenate(errors)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        log_sigma = columns @ weights
        squared = (error / np.exp(log_sigma)) ** 2 / FREEDOM
        value = np.mean(log_sigma + 0.5 * (FREEDOM + 1) * np.log1p(squared))
        slope = columns.T @ (1 - (FREEDOM + 1) * squared / (1 + squared)) / len(error)
        shrunk = np.r_[0.0, weights[1:]]
        return value + UNCERTAINTY_RIDGE * shrunk @ shrunk, slope + 2 * UNCERTAINTY_RIDGE * shrunk

    weights = minimize(loss, np.zeros(columns.shape[1]), jac=True, method="L-BFGS-B").x
    ratio = error / np.exp(columns @ weights)
    misses = [
        sum((np.mean(ratio < n * scale) - share) ** 2 for n, share in enumerate(WITHIN, start=1))
        for scale in SCALES
    ]
    weights[0] += np.log(SCALES[int(np.argmin(misses))])
    return UncertaintyModel(*(float(w) for w in weights))


def completed_shapes(completer: SceneCompleter, view: SceneView) -> Iterator[CompletedShape]:
    """Yield the predicted shapes of the instances of a view that have enough depth readings."""
    observation = resolve_mask_overlaps(view.observation.rectified())
    aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    prediction = completer.shapes.predict(
        observation, aligned_frame, CompletionRequest(), Progress(None)
    )
    readings = (observation.masks & (observation.depth > 0)).sum(axis=(1, 2))
    for shape in prediction.shapes:
        if readings[shape.row] >= MIN_READINGS:
            yield CompletedShape(shape, view, aligned_frame)


def _case(completed: CompletedShape, rng: np.random.Generator) -> Case | None:
    shape, truth, made = completed.shape, completed.true_body(), completed.shape.mesh()
    if made is None or truth is None:
        return None
    vertices = made.mesh_aligned.vertices
    points = vertices[rng.integers(len(vertices), size=SURFACE_POINTS)]
    seen = observed_fraction(made.mesh_aligned, shape.points_aligned, OBSERVED_CELLS * shape.cell)
    return Case(
        evidence=shape.evidence(seen),
        iou=body_iou([completed.body(made.mesh_aligned)], [truth], OBJECT_RESOLUTION),
        surface=shape.surface_evidence(points),
        errors=np.abs(completed.distance_to_truth(points)) / shape.cell,
    )
