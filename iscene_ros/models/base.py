"""What a model says of the instances of a view, whichever model it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from iscene_ros.core.frames import GravityAlignedFrame
from iscene_ros.core.observation import Observation
from iscene_ros.core.scene import Mesh

# (finished, in total, what is being done)
Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class ShapeMesh:
    """A predicted surface.

    Attributes:
        mesh_aligned: closed, in view space [m].
        vertex_colors: (V, 3) uint8 RGB, or None where the model knows none.
        vertex_sigma: (V,) float32 standard deviation of the surface along its normal [m], or None
            where the model does not say.
    """

    mesh_aligned: Mesh
    vertex_colors: np.ndarray | None = None
    vertex_sigma: np.ndarray | None = None


class PredictedShape(Protocol):
    """The completion of one instance, before it is meshed.

    Attributes:
        row: of the observation's masks.
        points_aligned: (M, 3) float64 observed points without strays [m]; M = 0 without depth.
        cell: edge of the cells that the model resolves [m].
    """

    row: int
    points_aligned: np.ndarray
    cell: float

    def mesh(self) -> ShapeMesh | None:
        """The surface; None where nothing is solid."""

    def confidence(self, observed_fraction: float) -> float:
        """How far to trust it, in [0, 1], if so much of its surface was seen."""


@dataclass(frozen=True)
class Prediction:
    """All instances of a view.

    Attributes:
        observation: what was seen, without readings that the model found impossible.
        shapes: what was completed, in the order of the masks.
        skipped: (row of masks, reason) of the others.
        steps: of the sampler.
        prepare_seconds, network_seconds: spent so far [s].
        is_metric: False where nothing told the scale.
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
    """Counts the steps of a completion and tells somebody."""

    def __init__(self, report: Report | None) -> None:
        self.report = report
        self.total = self.done = 0

    def expect(self, count: int) -> None:
        """So many steps will follow in all."""
        self.total = count

    def network(self, count: int) -> None:
        """So many network evaluations are finished."""
        self.advance(count, "complete")

    def advance(self, count: int, what: str) -> None:
        """So many steps are finished."""
        self.done += count
        if self.report is not None:
            self.report(self.done, self.total, what)


@dataclass(frozen=True)
class PredictionRequest:
    """How to predict.

    Attributes:
        steps: of the sampler; None = the model's default.
        seed: same seed, same device: same result.
        faces: triangle budget of a mesh.
    """

    steps: int | None = None
    seed: int = 0
    faces: int = 5000


class ShapeModel(Protocol):
    """What predicts the shapes of a view.

    Attributes:
        name, checksum: which weights (sha256, hex).
        device: where they are.
        objects_at_once: instances computed together, which bounds memory.
        needs_depth: whether it can do without a depth image.
    """

    name: str
    checksum: str
    device: str
    objects_at_once: int
    needs_depth: bool

    def predict(
        self,
        observation: Observation,
        aligned_frame: GravityAlignedFrame,
        request: PredictionRequest,
        progress: Progress,
    ) -> Prediction:
        """Complete the instances of a rectified observation whose masks do not overlap."""
