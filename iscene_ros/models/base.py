"""The ShapeModel protocol, which every model implements, and the data that it exchanges.

See `models.registry` for the registered models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh, SceneObject
from iscene_ros.preprocess.crops import Evidence

# (finished steps, all steps, current work)
Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class ShapeMesh:
    """A predicted surface.

    Attributes:
        mesh_aligned: closed, in the gravity-aligned frame [m].
        vertex_colors: (V, 3) uint8 RGB, or None where the model predicts none.
        vertex_sigma: (V,) float32 standard deviation of the surface along its normal [m], or None
            where the model does not predict it.
    """

    mesh_aligned: Mesh
    vertex_colors: np.ndarray | None = None
    vertex_sigma: np.ndarray | None = None


class PredictedShape(Protocol):
    """The completion of one instance, before it is meshed.

    Attributes:
        row: of the observation's masks.
        points_aligned: (M, 3) float64 observed points without outliers [m]; M = 0 without depth.
        cell: edge of the cells that the model resolves [m].
    """

    row: int
    points_aligned: np.ndarray
    cell: float

    def mesh(self) -> ShapeMesh | None:
        """Return the surface, or None where nothing is solid."""

    def confidence(self, observed_fraction: float) -> float:
        """Return the confidence in [0, 1], given the observed share of the surface."""


@dataclass(frozen=True)
class Prediction:
    """The prediction for all instances of a view.

    Attributes:
        observation: the observation as the model read it, without the readings that it rejected.
        shapes: the completed instances, in the order of the masks.
        skipped: (row of masks, reason) of the other instances.
        steps: of the sampler; 1 without one.
        prepare_seconds, network_seconds: spent so far [s].
        is_metric: False where the scale is unknown.
        warnings: one line each.
    """

    observation: Observation
    shapes: tuple[PredictedShape, ...]
    skipped: tuple[tuple[int, str], ...]
    steps: int
    prepare_seconds: float
    network_seconds: float
    is_metric: bool = True
    warnings: tuple[str, ...] = ()


class Progress:
    """Counts the steps of a completion and reports them.

    Attributes:
        total: number of all steps, as far as it is known.
        done: number of finished steps.
    """

    def __init__(self, report: Report | None) -> None:
        self.report = report
        self.total = self.done = 0

    def advance(self, count: int, what: str = "complete") -> None:
        """Count finished steps and report them; `what` names the work."""
        self.done += count
        if self.report is not None:
            self.report(self.done, self.total, what)


@dataclass(frozen=True)
class CompletionRequest:
    """What one completion is to do.

    Attributes:
        steps: of a released model's sampler; None = the preset's. iscene-mini, a regression, has no
            sampler and ignores steps and seed.
        seed: of a released model's noise; same seed, same device: same result, bit for bit.
        faces: triangle budget of a mesh.
        evidence: by instance id, further views of the instances of a single observation, as of
            `preprocess.instance_views`; their poses are taken as they are.
        kept: by instance id, objects that are not completed again: the scene has them as they are,
            and their instances are surroundings of the others.
    """

    steps: int | None = None
    seed: int = 0
    faces: int = 5000
    evidence: Evidence = field(default_factory=dict)
    kept: Mapping[int, SceneObject] = field(default_factory=dict)

    def rows(self, observation: Observation) -> list[int]:
        """Return the rows of an observation's masks that are to be completed."""
        return [row for row, i in enumerate(observation.instance_ids) if i not in self.kept]


DEFAULT_REQUEST = CompletionRequest()


class ShapeModel(Protocol):
    """A model that predicts the shapes of the instances of a view.

    Attributes:
        name, checksum: of the weights (sha256, hex).
        device: torch device name.
        objects_at_once: instances computed together, which bounds memory.
        needs_depth: whether a view without depth is an error.
        uses_evidence: whether further views of an instance complete it.
    """

    name: str
    checksum: str
    device: str
    objects_at_once: int
    needs_depth: bool
    uses_evidence: bool

    def with_objects_at_once(self, count: int) -> ShapeModel:
        """Return the same model with another bound of memory."""

    def predict(
        self,
        observation: Observation,
        aligned_frame: GravityAlignedFrame,
        request: CompletionRequest,
        progress: Progress,
    ) -> Prediction:
        """Complete the instances of an observation; those that the request keeps may be left out.

        Args:
            observation: rectified, with masks that do not overlap.
            aligned_frame: its gravity-aligned frame.
            request: without evidence where `uses_evidence` is False.
            progress: counts finished steps.
        """
