"""Scored scenes looked at again: what is true of each object that might explain its score."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from iscene_ros.completion.scene_completer import SceneCompleter
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh, Scene
from iscene_ros.lab.evaluation.causes import Cause, Measures, causes_of
from iscene_ros.lab.evaluation.rendered_scenes import MODEL, EvaluationOptions, ScoredObject
from iscene_ros.lab.evaluation.results import Results
from iscene_ros.lab.evaluation.shape_measures import measure_shape
from iscene_ros.lab.evaluation.view_measures import (
    measure_contact,
    measure_crop,
    measure_mask,
)
from iscene_ros.lab.training.samples import DrawnScene, TruePlacement, draw_scene
from iscene_ros.models.mini.checkpoint import LoadedModel
from iscene_ros.preprocess.crops import InstanceCrop, fit_crops
from iscene_ros.preprocess.mask_cleaning import resolve_mask_overlaps

# Voxels along a published model's cube, which has no zoomed ones.
RELEASE_RESOLUTION = 64
# A fitted cube is about this many times the object: thickness is told in voxels of such a cube
# where the real one is larger, or every object in a wrong crop would count as thin.
FITTING = 1.5


@dataclass(frozen=True)
class Explained:
    """One scored object with what was measured of it and the causes that follow."""

    scored: ScoredObject
    measures: Measures
    causes: dict[Cause, float]


@dataclass(frozen=True, eq=False)
class Case:
    """One object with all that a picture of it needs.

    Attributes:
        explained: scores, measures, causes.
        observation: with masks that do not overlap; row: of its masks.
        own: (H, W) bool, the pixels that truly show the object.
        aligned_frame: of the observation.
        truth: the true shape.
        predicted_view: the completed mesh in view space [m], or None.
    """

    explained: Explained
    observation: Observation
    row: int
    own: np.ndarray
    aligned_frame: GravityAlignedFrame
    truth: TruePlacement
    predicted_view: Mesh | None

    def true_distance(self, points_aligned: np.ndarray) -> np.ndarray:
        """(M,) signed distance [m] of points_aligned (M, 3) to the truth."""
        points_camera = self.aligned_frame.to_camera(points_aligned)
        return self.truth.distance(torch.from_numpy(points_camera).float()).numpy()


@dataclass(frozen=True)
class InspectedScene:
    """The model's scored objects of one scene; cases of those that were asked for."""

    objects: tuple[Explained, ...]
    cases: tuple[Case, ...]


def worst_objects(results: Results, count: int) -> list[tuple[int, int]]:
    """(scene, instance) of the model's objects with the smallest IoU, the worst first."""
    own = [o for o in results.objects if o.method == MODEL]
    own.sort(key=lambda o: (o.score.iou, o.scene, o.instance))
    return [(o.scene, o.instance) for o in own[:count]]


def inspect_scenes(
    completer: SceneCompleter,
    options: EvaluationOptions,
    results: Results,
    wanted: Collection[tuple[int, int]] = (),
) -> Iterator[InspectedScene]:
    """Draw each scored scene again, complete it again, and measure.

    Args:
        completer, options: those of the evaluation, or other scenes would be looked at.
        results: what they gave.
        wanted: (scene, instance) of which a case is made.
    """
    for number in range(options.scenes):
        scored = {o.instance: o for o in results.objects if o.method == MODEL and o.scene == number}
        if scored:
            drawn = draw_scene(np.random.default_rng([options.seed, number]), options.samples())
            yield _inspect(number, drawn, scored, completer, options, wanted)


def _inspect(
    number: int,
    drawn: DrawnScene,
    scored: dict[int, ScoredObject],
    completer: SceneCompleter,
    options: EvaluationOptions,
    wanted: Collection[tuple[int, int]],
) -> InspectedScene:
    observation = drawn.view().observation
    scene = completer.complete(observation, options.steps)
    observation = resolve_mask_overlaps(observation)
    aligned_frame = GravityAlignedFrame.from_gravity(observation.gravity_camera)
    plan = fit_crops(observation, aligned_frame)
    predicted = _predicted_camera(scene)
    placements = drawn.placements()
    resolution = _resolution(completer)
    objects, cases = [], []
    for slot in plan.instances:
        instance = observation.instance_ids[slot.index]
        if instance not in scored:
            continue
        index, mesh_camera = drawn.rows[slot.index], predicted.get(instance)
        mask = observation.masks[slot.index]
        measures = _measure(drawn, placements, index, slot, mask, mesh_camera, resolution)
        explained = Explained(scored[instance], measures, causes_of(measures))
        objects.append(explained)
        if (number, instance) in wanted:
            cases.append(
                Case(
                    explained,
                    observation,
                    slot.index,
                    drawn.rendering.ids == index + 1,
                    aligned_frame,
                    placements[index],
                    None if mesh_camera is None else _in_view(mesh_camera, aligned_frame),
                )
            )
    return InspectedScene(tuple(objects), tuple(cases))


def _measure(
    drawn: DrawnScene,
    placements: list[TruePlacement],
    index: int,
    slot: InstanceCrop,
    mask: np.ndarray,
    predicted_camera: Mesh | None,
    resolution: int,
) -> Measures:
    own = placements[index]
    others = [placement for i, placement in enumerate(placements) if i != index]
    aligned_frame = GravityAlignedFrame.from_gravity(drawn.view().observation.gravity_camera)
    aligned_from_object = (
        np.linalg.inv(aligned_frame.camera_from_aligned()) @ own.camera_from_object
    )
    crop = measure_crop(own.solid, aligned_from_object, slot.cube)
    fitted = slot.cube.size * min(1.0, FITTING / crop.cube_ratio)
    return Measures(
        shape=measure_shape(own.solid, fitted / resolution),
        mask=measure_mask(drawn, index, mask),
        crop=crop,
        contact=measure_contact(own, others, predicted_camera),
    )


def _predicted_camera(scene: Scene) -> dict[int, Mesh]:
    camera_from_frame = np.linalg.inv(scene.frame_from_camera)
    return {
        o.id: o.mesh.transformed(camera_from_frame @ o.frame_from_object) for o in scene.objects
    }


def _in_view(mesh_camera: Mesh, aligned_frame: GravityAlignedFrame) -> Mesh:
    return mesh_camera.transformed(np.linalg.inv(aligned_frame.camera_from_aligned()))


def _resolution(completer: SceneCompleter) -> int:
    """Voxels along a cube."""
    model = completer.shapes.model
    return model.network.config.resolution if isinstance(model, LoadedModel) else RELEASE_RESOLUTION
