"""How well each placed shape fits, and the reasons why one does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.surface_distance import RESIDUAL_POINTS, Surface
from iscene_ros.models.iscene.registration.agreement import OUTLINE_PIXELS, agreements, visible_size
from iscene_ros.models.iscene.registration.fit_view import FitView
from iscene_ros.models.iscene.registration.options import PlacementOptions
from iscene_ros.models.iscene.registration.rendered_shapes import see
from iscene_ros.models.iscene.registration.result import Similarity

# Anchors of a surface; distances need not be better than the readings.
ANCHORS = 2000


@dataclass(frozen=True)
class Readings:
    """What was read of one object.

    Attributes:
        points_aligned: (M, 3) float64 [m].
        depth: median along the optical axis [m]; NaN without readings.
        size: visible size of its mask at that depth [m]; NaN without readings.
    """

    points_aligned: np.ndarray
    depth: float
    size: float

    @classmethod
    def of(cls, number: int, view: FitView, options: PlacementOptions) -> Readings:
        """The readings in a mask, away from its outline where that leaves enough of them.

        None of them counts where there are too few.
        """
        mask = view.masks[number]
        read = mask & (view.depth > 0)
        inner = read & (view.outlines[number].distance < -OUTLINE_PIXELS / view.stride)
        chosen = np.flatnonzero(inner)
        if len(chosen) < options.min_readings:
            chosen = np.flatnonzero(read)
        if len(chosen) < options.min_readings:
            return cls(np.zeros((0, 3)), float("nan"), float("nan"))
        depth = view.depth.reshape(-1)[chosen]
        middle = float(np.median(depth))
        points = view.rays_aligned.reshape(-1, 3)[chosen] * depth[:, None]
        step = -(-len(points) // RESIDUAL_POINTS)
        return cls(points[::step], middle, visible_size(mask, middle, view))


class Fitness:
    """Judges placements of one scene's shapes; their surfaces are indexed once.

    Args:
        meshes_cube: whole shapes.
        light_cube: the same with few triangles.
        view: what was seen.
        options: thresholds.
    """

    def __init__(
        self,
        meshes_cube: Sequence[Mesh],
        light_cube: Sequence[Mesh],
        view: FitView,
        options: PlacementOptions,
    ) -> None:
        self._light, self._view, self._options = light_cube, view, options
        numbers = range(len(view.masks))
        self._readings = [Readings.of(number, view, options) for number in numbers]
        pairs = zip(meshes_cube, self._readings, strict=True)
        self._surfaces = [
            Surface(mesh, ANCHORS) if len(readings.points_aligned) else None
            for mesh, readings in pairs
        ]

    def residuals(self, placed: Sequence[Similarity]) -> np.ndarray:
        """(N,) median distances of the readings to the surfaces [m]; NaN without readings."""
        triples = zip(self._surfaces, self._readings, placed, strict=True)
        return np.array(
            [
                np.nan if surface is None else _median_distance(surface, readings, similarity)
                for surface, readings, similarity in triples
            ]
        )

    def agreements(self, placed: Sequence[Similarity]) -> np.ndarray:
        """(N,) share of each object's pixels that agree."""
        return agreements(see(self._light, placed, self._view), self._view, self._options)

    def misfit(self, number: int, residual: float, agreement: float) -> str | None:
        """Why a shape is rejected; None where it fits."""
        readings, options = self._readings[number], self._options
        if agreement < options.min_agreement:
            return (
                f"its predicted shape does not fit the picture: {100 * agreement:.0f} % of its "
                f"pixels agree, at least {100 * options.min_agreement:.0f} % expected"
            )
        if not np.isfinite(residual):
            return None
        allowed = options.max_residual_share * readings.size
        allowed += options.max_residual_noise * options.reading_noise(readings.depth)
        if residual <= allowed:
            return None
        return (
            "its predicted shape does not fit the depth: readings are "
            f"{1000 * residual:.1f} mm off its surface, at most {1000 * allowed:.1f} mm expected "
            f"at a visible size of {1000 * readings.size:.0f} mm"
        )


def _median_distance(surface: Surface, readings: Readings, similarity: Similarity) -> float:
    points_cube = similarity.to_cube(readings.points_aligned)
    return similarity.scale * float(np.median(surface.distance(points_cube)))
