"""The ShapeModel protocol, which every model implements, and the data that it exchanges.

See `models.registry` for the registered models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh
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
        observation: the observation without readings that the model rejected.
        shapes: the completed instances, in the order of the masks.
        skipped: (row of masks, reason) of the other instances.
        steps: of the sampler.
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
    """Counts the steps of a completion and reports them."""

    def __init__(self, report: Report | None) -> None:
        self.report = report
        self.total = self.done = 0

    def expect(self, count: int) -> None:
        """Set the number of all steps."""
        self.total = count

    def network(self, count: int) -> None:
        """Count finished network evaluations."""
        self.advance(count, "complete")

    def advance(self, count: int, what: str) -> None:
        """Count finished steps and report them; `what` names the work."""
        self.done += count
        if self.report is not None:
            self.report(self.done, self.total, what)


@dataclass(frozen=True)
class PredictionRequest:
    """Settings of one prediction.

    Attributes:
        steps: of the sampler; None = the model's default.
        seed: same seed, same device: same result.
        faces: triangle budget of a mesh.
    """

    steps: int | None = None
    seed: int = 0
    faces: int = 5000


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
        evidence: Evidence,
        request: PredictionRequest,
        progress: Progress,
    ) -> Prediction:
        """Complete the instances of an observation.

        Args:
            observation: rectified, with masks that do not overlap.
            aligned_frame: its gravity-aligned frame.
            evidence: further views of its instances; empty where `uses_evidence` is False.
            request: settings.
            progress: counts finished steps.
        """
