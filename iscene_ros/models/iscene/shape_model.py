"""Shapes by the published I-Scene: all instances in one cube of unknown scale, laid over the view.

The model reads colours and masks; depth, where there is one, tells where the cube lies in metres.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.models.base import Prediction, PredictionRequest, Progress, ShapeMesh
from iscene_ros.models.iscene.condition_images import condition_pictures
from iscene_ros.models.iscene.generation import CubeOccupancy, Generated, generate
from iscene_ros.models.iscene.mesh_finishing import FinishedMesh, finished_mesh, structure_mesh
from iscene_ros.models.iscene.packages.loading import ReleaseModel
from iscene_ros.models.iscene.registration.options import PlacementOptions
from iscene_ros.models.iscene.registration.register import place_scene
from iscene_ros.models.iscene.registration.result import ObjectPlacement, PlacementShape
from iscene_ros.models.iscene.sampling.presets import Preset, preset
from iscene_ros.models.iscene.sampling.progress import StageProgress
from iscene_ros.preprocess.crops import CropOptions, fit_crops

# Cells of one object in the second stage: the estimate behind `objects_at_once`.
CELLS_PER_OBJECT = 20_000


@dataclass(frozen=True)
class ReleaseOptions:
    """How a published model completes.

    Attributes:
        preset: exact, balanced, fast or structure-only.
        objects_at_once: instances computed together, which bounds memory.
        memory_budget: bytes for both stages beside the weights, which bounds them further; None =
            no bound.
        placement: how its cube is laid over the view.
    """

    preset: str = "exact"
    objects_at_once: int = 8
    memory_budget: int | None = None
    placement: PlacementOptions = field(default_factory=PlacementOptions)


class ReleaseShapes:
    """The shape model of a published I-Scene; see `ShapeModel`."""

    needs_depth = False

    def __init__(self, model: ReleaseModel, options: ReleaseOptions, fit: CropOptions) -> None:
        self.model, self.options, self.fit = model, options, fit
        self.name, self.checksum, self.device = model.name, model.checksum, model.device

    @property
    def objects_at_once(self) -> int:
        """Instances computed together."""
        return self.options.objects_at_once

    def predict(
        self,
        observation: Observation,
        aligned_frame: GravityAlignedFrame,
        request: PredictionRequest,
        progress: Progress,
    ) -> Prediction:
        """See `ShapeModel.predict`."""
        started = time.perf_counter()
        sampling = self.sampling(request.steps)
        rows = [row for row, mask in enumerate(observation.masks) if mask.any()]
        skipped = [
            (row, "no pixel of its mask is its own: empty, or covered by other masks")
            for row in range(len(observation.masks))
            if row not in rows
        ]
        steps = sampling.structure.sampler.steps
        if not rows:
            return Prediction(observation, (), tuple(skipped), steps, 0.0, 0.0)
        pictures = self._pictures(observation, rows)
        prepared = time.perf_counter()
        generated = self._generate(pictures, sampling, request.seed, progress)
        sampled = time.perf_counter()
        finished = [_finished(shape, request.faces) for shape in generated]
        shapes = [
            PlacementShape(row, made.mesh)
            for row, made in zip(rows, finished, strict=True)
            if made is not None
        ]
        nothing = "the model found nothing solid in its place"
        skipped += [(row, nothing) for row, f in zip(rows, finished, strict=True) if f is None]
        made_of = dict(zip(rows, finished, strict=True))
        placement = place_scene(shapes, observation, aligned_frame, self.options.placement)
        progress.advance(len(rows) - len(placement.objects), "place")
        points = self._observed_points(observation, aligned_frame)
        cells = self._cells_of_a_side(sampling)
        return Prediction(
            observation=observation,
            shapes=tuple(
                PlacedShape(placed, made_of[placed.row], points(placed.row), cells)
                for placed in placement.objects
            ),
            skipped=tuple(sorted([*skipped, *placement.rejected])),
            steps=steps,
            prepare_seconds=prepared - started,
            network_seconds=sampled - prepared,
            is_metric=placement.is_metric,
            warnings=placement.warnings,
        )

    def sampling(self, steps: int | None = None) -> Preset:
        """The preset of the options, bounded as they say; `steps` of both stages if given."""
        chosen = preset(self.options.preset, self.model.config)
        chosen = chosen.within(self.options.memory_budget)
        # A slot is counted with its picture and without.
        slots = 2 * self.options.objects_at_once
        structure = replace(chosen.structure, max_slots=slots)
        slat = chosen.slat and replace(chosen.slat, max_cells=slots * CELLS_PER_OBJECT)
        if steps is not None:
            structure = replace(structure, sampler=replace(structure.sampler, steps=steps))
            slat = slat and replace(slat, sampler=replace(slat.sampler, steps=steps))
        return replace(chosen, structure=structure, slat=slat)

    def _pictures(self, observation: Observation, rows: list[int]) -> np.ndarray:
        if observation.rgb is None:
            raise InputError(
                f"rgb: none; {self.name} reads colours: give the colour image (for a node: "
                "use_rgb: true), or complete with iscene-mini, which reads depth alone"
            )
        side = self.model.config.vision.image_side
        return condition_pictures(observation.rgb, observation.masks[rows], side).pictures

    def _generate(
        self, pictures: np.ndarray, sampling: Preset, seed: int, progress: Progress
    ) -> list[Generated]:
        instances = len(pictures) - 1
        calls = _network_calls(sampling, instances)
        progress.expect(calls + instances)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            step = min(count, calls - done)
            done += step
            progress.network(step)

        at_once = min(self.options.objects_at_once, 4)
        stages = StageProgress(advance)
        generated = generate(self.model, pictures, sampling, seed, at_once, stages)
        # Shared passes and instances without cells make it fewer calls than foreseen.
        advance(calls - done)
        return generated

    def _observed_points(
        self, observation: Observation, aligned_frame: GravityAlignedFrame
    ) -> Callable[[int], np.ndarray]:
        """Row -> observed points without strays, (0, 3) where there are too few."""
        slots = fit_crops(observation, aligned_frame, self.fit).instances
        points = {slot.index: slot.points_aligned for slot in slots}
        return lambda row: points.get(row, np.zeros((0, 3)))

    def _cells_of_a_side(self, sampling: Preset) -> int:
        config = self.model.config.mesh_decoder
        return config.resolution if sampling.slat is None else config.out_resolution


@dataclass(frozen=True)
class PlacedShape:
    """A finished mesh and where it lies; see `PredictedShape`.

    Attributes:
        placement: of the cube for this object.
        finished: the mesh in the cube.
        points_aligned: (M, 3) float64 observed points [m].
        cells_of_a_side: of the grid that the mesh was cut out of.
    """

    placement: ObjectPlacement
    finished: FinishedMesh
    points_aligned: np.ndarray
    cells_of_a_side: int

    @property
    def row(self) -> int:
        """Of the observation's masks."""
        return self.placement.row

    @property
    def cell(self) -> float:
        """Edge of a cell [m]."""
        return self.placement.scale / self.cells_of_a_side

    def mesh(self) -> ShapeMesh:
        """See `PredictedShape.mesh`."""
        mesh = self.finished.mesh
        vertices = self.placement.similarity.to_aligned(mesh.vertices).astype(np.float32)
        return ShapeMesh(Mesh(vertices, mesh.faces), self.finished.vertex_colors)

    def confidence(self, observed_fraction: float) -> float:
        """The share of its pixels that agree with mask and depth; not a calibrated overlap."""
        return self.placement.agreement


def _finished(shape: Generated, faces: int) -> FinishedMesh | None:
    if shape is None:
        return None
    if isinstance(shape, CubeOccupancy):
        return structure_mesh(shape.logits, faces)
    return finished_mesh(shape.vertices, shape.faces, shape.colors, faces)


def _network_calls(sampling: Preset, instances: int) -> int:
    """At most so many slots pass through the flows."""
    calls = 0
    for stage, slots in ((sampling.structure, 1 + instances), (sampling.slat, instances)):
        if stage is not None:
            calls += slots * sum(2 if step.fresh else 1 for step in stage.sampler.plan())
    return calls
