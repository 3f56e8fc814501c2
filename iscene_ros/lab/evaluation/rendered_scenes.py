"""Rendered scenes with exact truth, completed by the model and by what a user could write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.scene import Mesh, Scene
from iscene_ros.lab.evaluation.baselines import BASELINES
from iscene_ros.lab.evaluation.ceiling import with_true_distances
from iscene_ros.lab.evaluation.metrics import SceneScore, Score, ScoredBody, score_scene
from iscene_ros.lab.evaluation.truth import true_body
from iscene_ros.lab.synthetic.random_scenes import SceneOptions
from iscene_ros.lab.training.samples import SampleOptions, SceneView, TruePlacement, draw_view
from iscene_ros.preprocess.crops import SceneCrops, fit_crops
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

MODEL = "iscene-mini"


@dataclass(frozen=True)
class EvaluationOptions:
    """What is evaluated.

    Attributes:
        scenes: number of rendered scenes.
        seed: of the scenes; training uses others.
        held_out: shape families that training never sees, or those that it does.
        steps: of the sampler, None = default.
        baselines: whether the simple completions are scored, too.
        min_readings: instances with fewer depth readings are left out: nobody could say what a
            sliver of ten pixels belongs to.
        ceiling: voxels along a side of grids of true distances, which are scored in place of the
            model's; None = the model is.
    """

    scenes: int = 40
    seed: int = 1000
    held_out: bool = True
    steps: int | None = None
    baselines: bool = True
    min_readings: int = 100
    ceiling: int | None = None

    @property
    def method(self) -> str:
        """What is scored beside the baselines."""
        return MODEL if self.ceiling is None else f"truth at {self.ceiling}^3"

    def samples(self) -> SampleOptions:
        """How scenes are drawn: as in training, with a few more single objects."""
        return SampleOptions(held_out=self.held_out, scene=SceneOptions(single_share=0.25))


@dataclass(frozen=True)
class ScoredObject:
    """One object's score by one method.

    Attributes:
        scene: number of the scene; instance: id within it.
        family: of its shape; layout: of the scene.
        method: "iscene-mini" or a baseline.
        score: against the truth.
        confidence, observed_fraction, depth_residual: as the model reports them, else NaN.
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


@dataclass(frozen=True)
class ScoredScene:
    """One scene's objects and the scene as a whole, by each method."""

    objects: tuple[ScoredObject, ...]
    wholes: dict[str, Score]


def evaluate_scenes(
    completer: SceneCompleter, options: EvaluationOptions
) -> Iterator[ScoredScene | None]:
    """Score scene after scene; None for a view in which nothing has depth."""
    for number in range(options.scenes):
        rng = np.random.default_rng([options.seed, number])
        view = draw_view(rng, options.samples())
        yield _evaluate(number, view, completer, options)


def _evaluate(
    number: int, view: SceneView, completer: SceneCompleter, options: EvaluationOptions
) -> ScoredScene | None:
    observation = resolve_mask_overlaps(view.observation)
    aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    plan = fit_crops(observation, aligned_frame)
    seen = (observation.masks & (observation.depth > 0)).sum(axis=(1, 2))
    chosen = [slot for slot in plan.instances if seen[slot.index] >= options.min_readings]
    if not chosen:
        return None
    plan = replace(plan, instances=tuple(chosen))
    if options.ceiling is not None:
        completer = with_true_distances(completer, view, options.ceiling)
    scene = completer.complete(view.observation, options.steps)
    truths = [true_placed_body(view.truths[slot.index]) for slot in plan.instances]
    predictions = {options.method: _predicted(scene, observation.instance_ids, plan)}
    if options.baselines:
        predictions.update(_baselines(plan, aligned_frame))
    objects, wholes = [], {}
    for method, bodies in predictions.items():
        scores = score_scene(bodies, truths)
        wholes[method] = scores.whole
        objects += _scored(number, view, plan, method, scores, scene)
    return ScoredScene(tuple(objects), wholes)


def true_placed_body(truth: TruePlacement) -> ScoredBody | None:
    """The true object in the camera's frame; None where it is empty."""
    low, high = (corner.numpy().astype(np.float64) for corner in truth.solid.bounds())
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    corners = corners @ truth.camera_from_object[:3, :3].T + truth.camera_from_object[:3, 3]

    def distance(points_camera: np.ndarray) -> np.ndarray:
        return truth.distance(torch.from_numpy(points_camera).float()).numpy()

    return true_body(distance, corners.min(axis=0), corners.max(axis=0))


def _predicted(scene: Scene, ids: tuple[int, ...], plan: SceneCrops) -> list[ScoredBody | None]:
    camera_from_frame = np.linalg.inv(scene.frame_from_camera)
    found = {
        o.id: o.mesh.transformed(camera_from_frame @ o.frame_from_object) for o in scene.objects
    }
    meshes = (found.get(ids[slot.index]) for slot in plan.instances)
    return [None if mesh is None else ScoredBody(mesh) for mesh in meshes]


def _baselines(
    plan: SceneCrops, aligned_frame: GravityAlignedFrame
) -> dict[str, list[ScoredBody | None]]:
    results: dict[str, list[ScoredBody | None]] = {}
    for name, complete in BASELINES.items():
        meshes = [
            complete(slot.points_aligned, np.zeros(3), slot.support_height)
            for slot in plan.instances
        ]
        results[name] = [_body(mesh, aligned_frame) for mesh in meshes]
    return results


def _body(mesh_aligned: Mesh | None, aligned_frame: GravityAlignedFrame) -> ScoredBody | None:
    return (
        None
        if mesh_aligned is None
        else ScoredBody(mesh_aligned.transformed(aligned_frame.camera_from_aligned()))
    )


def _scored(
    number: int,
    view: SceneView,
    plan: SceneCrops,
    method: str,
    scores: SceneScore,
    scene: Scene,
) -> list[ScoredObject]:
    reported = {o.id: o for o in scene.objects} if method == MODEL else {}
    scored = []
    for slot, score in zip(plan.instances, scores.objects, strict=True):
        instance = view.observation.instance_ids[slot.index]
        family = view.truths[slot.index].family
        row = ScoredObject(number, instance, family, view.layout, method, score)
        if instance in reported:
            o = reported[instance]
            row = replace(
                row,
                confidence=o.confidence,
                observed_fraction=o.observed_fraction,
                depth_residual=o.depth_residual,
            )
        scored.append(row)
    return scored
