"""How well registered shapes fit a view, and why one is rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iscene_ros.core.scene import Mesh
from iscene_ros.geometry.surface_distance import RESIDUAL_POINTS, Surface
from iscene_ros.models.iscene.registration.fit_view import FitView, reading_noise
from iscene_ros.models.iscene.registration.rendered_shapes import RenderedShape, render_shapes
from iscene_ros.models.iscene.registration.result import Similarity

# An object is rejected if a smaller share of its pixels agrees with the view.
MIN_AGREEMENT = 0.4
# An object with fewer readings is judged by its outline alone.
MIN_READINGS = 12
# A reading agrees within this share of the object's visible size, plus this many standard
# deviations of a reading. An object is rejected if its median distance is larger.
AGREEING_SHARE = 0.1
AGREEING_NOISE = 3.0
# Error of a mask's outline [pixels of the observation], at most this share of the mask's size.
OUTLINE_PIXELS, OUTLINE_SHARE = 3.0, 0.15
# Weight of pixels outside of the mask without a reading.
UNREAD_WEIGHT = 0.5
# Samples of a surface; distances need not be more precise than the readings.
ANCHORS = 2000


def visible_size(mask: np.ndarray, depth: float, view: FitView) -> float:
    """Return the square root of the area of a mask (h, w) at a depth [m]."""
    focal = np.sqrt(view.camera.k[0, 0] * view.camera.k[1, 1])
    return float(np.sqrt(mask.sum()) * depth / focal)


def agreements(rendered: Sequence[RenderedShape], view: FitView) -> np.ndarray:
    """Return the share (N,) of each shape's pixels that agree, in [0, 1].

    The pixels are those of its mask and of its rendering, except close to the mask's outline and
    where something nearer or another object is in view. A pixel agrees where mask and rendering
    both cover it and the reading does not contradict.
    """
    owners = view.masks.sum(axis=0)
    return np.array([_agreement(s, number, owners, view) for number, s in enumerate(rendered)])


def _agreement(shape: RenderedShape, number: int, owners: np.ndarray, view: FitView) -> float:
    if not len(shape.pixels):
        return 0.0
    mask, distance = view.masks[number], view.outlines[number].distance
    middle = float(np.median(shape.depth))
    allowed = AGREEING_SHARE * visible_size(mask, middle, view)
    allowed += AGREEING_NOISE * reading_noise(middle)
    reading = view.depth.reshape(-1)[shape.pixels]
    behind = np.where(reading > 0, reading - shape.depth, 0.0)
    inside = mask.reshape(-1)[shape.pixels]
    # A pixel of another object does not count unless the reading lies behind.
    taken = (owners - mask).reshape(-1)[shape.pixels] > 0
    hidden = (behind < -allowed) | (taken & (behind <= allowed))
    strip = min(OUTLINE_PIXELS / view.stride, OUTLINE_SHARE * float(np.sqrt(mask.sum())))
    outside = ~inside & ~hidden & (distance.reshape(-1)[shape.pixels] > strip)
    # A pixel without reading might show an occluder, or the free space beside the shape.
    open_weight = np.where((reading > 0) | ~view.depth.any(), 1.0, UNREAD_WEIGHT)
    covered = np.zeros(mask.size, bool)
    covered[shape.pixels] = True
    missed = np.count_nonzero((mask & (distance < -strip)).reshape(-1) & ~covered)
    agreeing = np.count_nonzero(inside & (np.abs(behind) <= allowed))
    counted = np.count_nonzero(inside) + missed + float(open_weight[outside].sum())
    return agreeing / counted if counted else 0.0


@dataclass(frozen=True)
class Readings:
    """The depth readings of one object.

    Attributes:
        points_aligned: (M, 3) float64 [m].
        depth: median along the optical axis [m]; NaN without readings.
        size: visible size of its mask at that depth [m]; NaN without readings.
    """

    points_aligned: np.ndarray
    depth: float
    size: float

    @classmethod
    def of(cls, number: int, view: FitView) -> Readings:
        """Return the readings in a mask, without those at its outline where enough are left.

        There are none where fewer than `MIN_READINGS` are in the mask.
        """
        mask = view.masks[number]
        read = mask & (view.depth > 0)
        inner = read & (view.outlines[number].distance < -OUTLINE_PIXELS / view.stride)
        chosen = np.flatnonzero(inner)
        if len(chosen) < MIN_READINGS:
            chosen = np.flatnonzero(read)
        if len(chosen) < MIN_READINGS:
            return cls(np.zeros((0, 3)), float("nan"), float("nan"))
        depth = view.depth.reshape(-1)[chosen]
        middle = float(np.median(depth))
        points = view.rays_aligned.reshape(-1, 3)[chosen] * depth[:, None]
        step = -(-len(points) // RESIDUAL_POINTS)
        return cls(points[::step], middle, visible_size(mask, middle, view))


class Fitness:
    """Judges registrations of one scene's shapes; their surfaces are indexed once.

    Args:
        meshes_cube: the shapes.
        light_cube: the same with few triangles.
        view: that they are compared with.
    """

    def __init__(
        self, meshes_cube: Sequence[Mesh], light_cube: Sequence[Mesh], view: FitView
    ) -> None:
        self._light, self._view = light_cube, view
        numbers = range(len(view.masks))
        self._readings = [Readings.of(number, view) for number in numbers]
        pairs = zip(meshes_cube, self._readings, strict=True)
        self._surfaces = [
            Surface(mesh, ANCHORS) if len(readings.points_aligned) else None
            for mesh, readings in pairs
        ]

    def residuals(self, similarities: Sequence[Similarity]) -> np.ndarray:
        """Return median distances (N,) from readings to surfaces [m]; NaN without readings."""
        found = np.full(len(similarities), np.nan)
        for number, (surface, similarity) in enumerate(
            zip(self._surfaces, similarities, strict=True)
        ):
            if surface is not None:
                points_cube = similarity.to_cube(self._readings[number].points_aligned)
                median = float(np.median(surface.distance(points_cube)))
                found[number] = similarity.scale * median
        return found

    def agreements(self, similarities: Sequence[Similarity]) -> np.ndarray:
        """Return the share (N,) of each object's pixels that agree."""
        return agreements(render_shapes(self._light, similarities, self._view), self._view)

    def misfit(self, number: int, residual: float, agreement: float) -> str | None:
        """Return why a shape is rejected; None where it fits."""
        readings = self._readings[number]
        if agreement < MIN_AGREEMENT:
            return (
                f"its predicted shape does not fit the image: {100 * agreement:.0f} % of its "
                f"pixels agree, at least {100 * MIN_AGREEMENT:.0f} % expected"
            )
        if not np.isfinite(residual):
            return None
        allowed = AGREEING_SHARE * readings.size + AGREEING_NOISE * reading_noise(readings.depth)
        if residual <= allowed:
            return None
        return (
            "its predicted shape does not fit the depth: readings are "
            f"{1000 * residual:.1f} mm off its surface, at most {1000 * allowed:.1f} mm expected "
            f"at a visible size of {1000 * readings.size:.0f} mm"
        )
