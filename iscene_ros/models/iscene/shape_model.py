"""Shapes by the published I-Scene: all instances in one cube, registered to the view.

The model reads colours and masks; depth, where there is one, gives the position of the cube in
metres.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from iscene_ros.core.errors import InputError
from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
from iscene_ros.models.base import CompletionRequest, Prediction, Progress, ShapeMesh
from iscene_ros.models.iscene.condition_images import condition_images
from iscene_ros.models.iscene.generation import generate
from iscene_ros.models.iscene.mesh_finishing import FinishedMesh, finished
from iscene_ros.models.iscene.packages.loading import ReleaseModel, load_release
from iscene_ros.models.iscene.registration.register import NO_PIXEL, register_scene
from iscene_ros.models.iscene.registration.result import CubeShape, RegisteredObject
from iscene_ros.models.iscene.sampling.presets import Preset, preset
from iscene_ros.models.model_config import PRECISIONS, CompletionOptions, Envelope, ModelConfig
from iscene_ros.preprocess.crops import fit_crops

# Estimate of the cells of one object in the second stage, from which `max_cells` follows.
CELLS_PER_OBJECT = 20_000


def load_shape_model(config: ModelConfig, device: str) -> ReleaseShapes:
    """Load the published model that a configuration names.

    Raises:
        InputError: an option of iscene-mini, or a camera height that is not positive.
        ModelError: as of `load_release`.
    """
    options = config.options
    if options.envelope is not Envelope.MEAN:
        raise InputError(
            f"envelope: {options.envelope.value}, but a released model does not predict how "
            "certain its surfaces are: use mean, or complete with iscene-mini"
        )
    if options.precision != PRECISIONS[0]:
        raise InputError(
            "precision: for iscene-mini alone; a released model has its own: leave it out, or "
            "complete with iscene-mini"
        )
    if options.camera_height is not None and options.camera_height <= 0:
        raise InputError(f"camera_height: {options.camera_height}, expected a positive number")
    return ReleaseShapes(load_release(config.name, device, base=config.base or None), options)


class ReleaseShapes:
    """Shape model of a published I-Scene; see `ShapeModel`."""

    needs_depth = False
    uses_evidence = False

    def __init__(self, model: ReleaseModel, options: CompletionOptions) -> None:
        self.model, self.options = model, options
        self.name, self.checksum, self.device = model.name, model.checksum, model.device

    @property
    def objects_at_once(self) -> int:
        """Number of instances computed together."""
        return self.options.objects_at_once

    def with_objects_at_once(self, count: int) -> ReleaseShapes:
        """See `ShapeModel.with_objects_at_once`."""
        return ReleaseShapes(self.model, replace(self.options, objects_at_once=count))

    def predict(
        self,
        observation: Observation,
        aligned_frame: GravityAlignedFrame,
        request: CompletionRequest,
        progress: Progress,
    ) -> Prediction:
        """See `ShapeModel.predict`."""
        started = time.perf_counter()
        sampling = self.sampling(request.steps)
        rows = [row for row, mask in enumerate(observation.masks) if mask.any()]
        skipped = [(row, NO_PIXEL) for row in range(len(observation.masks)) if row not in rows]
        steps = sampling.structure.sampler.steps
        if not rows:
            return Prediction(observation, (), tuple(skipped), steps, 0.0, 0.0)
        if observation.rgb is None:
            raise InputError(
                f"rgb: none; {self.name} reads colours: give the colour image (for a node: "
                "use_rgb: true), or complete with iscene-mini, which reads depth alone"
            )
        side = self.model.config.vision.image_side
        images = condition_images(observation.rgb, observation.masks[rows], side)
        prepared = time.perf_counter()
        calls = _network_calls(sampling, len(rows))
        progress.total = calls + len(rows)
        at_once = min(self.options.objects_at_once, 4)
        generated = generate(self.model, images, sampling, request.seed, at_once, progress)
        # Shared passes and instances without cells make it fewer calls than expected.
        progress.advance(calls - progress.done)
        sampled = time.perf_counter()
        meshes = {}
        for row, shape in zip(rows, generated, strict=True):
            mesh = None if shape is None else finished(shape, request.faces)
            if mesh is None:
                skipped.append((row, "the model predicted nothing solid for it"))
            else:
                meshes[row] = mesh
        heights = self.options.camera_height, self.options.support_height
        shapes = [CubeShape(row, made.mesh) for row, made in meshes.items()]
        registration = register_scene(shapes, observation, aligned_frame, *heights)
        progress.advance(len(rows) - len(registration.objects), "register")
        crops = fit_crops(observation, aligned_frame).instances
        points = {crop.index: crop.points_aligned for crop in crops}
        decoder = self.model.config.mesh_decoder
        cells = decoder.resolution if sampling.slat is None else decoder.out_resolution
        return Prediction(
            observation=observation,
            shapes=tuple(
                RegisteredShape(one, meshes[one.row], points.get(one.row, np.zeros((0, 3))), cells)
                for one in registration.objects
            ),
            skipped=tuple(sorted([*skipped, *registration.rejected])),
            steps=steps,
            prepare_seconds=prepared - started,
            network_seconds=sampled - prepared,
            is_metric=registration.is_metric,
            warnings=registration.warnings,
        )

    def sampling(self, steps: int | None = None) -> Preset:
        """Return the preset, bounded by `objects_at_once`, with `steps` in both stages if given."""
        chosen = preset(self.options.preset, self.model.config)
        # The conditional and the unconditional slot of an instance count each.
        slots = 2 * self.options.objects_at_once
        structure = replace(chosen.structure, max_slots=slots)
        slat = chosen.slat and replace(chosen.slat, max_cells=slots * CELLS_PER_OBJECT)
        if steps is not None:
            structure = replace(structure, sampler=replace(structure.sampler, steps=steps))
            slat = slat and replace(slat, sampler=replace(slat.sampler, steps=steps))
        return replace(chosen, structure=structure, slat=slat)


def _network_calls(sampling: Preset, instances: int) -> int:
    """Return the number of slots that pass through the flows, at most."""
    calls = 0
    for stage, slots in ((sampling.structure, 1 + instances), (sampling.slat, instances)):
        if stage is not None:
            calls += slots * sum(2 if step.fresh else 1 for step in stage.sampler.schedule())
    return calls


@dataclass(frozen=True)
class RegisteredShape:
    """A finished mesh and its registration; see `PredictedShape`.

    Attributes:
        registered: similarity and fit of the object.
        finished: the mesh in the cube.
        points_aligned: (M, 3) float64 observed points [m].
        cells_of_a_side: of the grid that the mesh was extracted from.
    """

    registered: RegisteredObject
    finished: FinishedMesh
    points_aligned: np.ndarray
    cells_of_a_side: int

    @property
    def row(self) -> int:
        """Row of the observation's masks."""
        return self.registered.row

    @property
    def cell(self) -> float:
        """Edge of a cell of the mesh's grid [m]."""
        return self.registered.similarity.scale / self.cells_of_a_side

    def mesh(self) -> ShapeMesh:
        """See `PredictedShape.mesh`."""
        mesh = self.finished.mesh
        vertices = self.registered.similarity.to_aligned(mesh.vertices).astype(np.float32)
        return ShapeMesh(Mesh(vertices, mesh.faces), self.finished.vertex_colors)

    def confidence(self, observed_fraction: float) -> float:
        """Return the share of its pixels that agree with mask and depth; it is not calibrated."""
        return self.registered.agreement
