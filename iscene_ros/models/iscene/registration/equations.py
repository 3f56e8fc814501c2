"""Linear equations of a small motion: readings lie on the surface, rims on the outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.spatial import cKDTree

from iscene_ros.models.iscene.registration.fit_view import FitView, Outline
from iscene_ros.models.iscene.registration.options import PlacementOptions
from iscene_ros.models.iscene.registration.rendered_shapes import SeenShape

# Residuals beyond so many deviations lose most of their weight.
TOLERATED = 2.0
# From the median of absolute values to the standard deviation.
MAD = 1.4826
# Surfaces seen under a flatter angle than this have no reliable readings.
LEAST_COSINE = 0.15


@dataclass(frozen=True)
class Equations:
    """M equations direction . motion(point) = residual, each in units of its deviation.

    Attributes:
        directions: (M, 3) view space [1/m].
        points_aligned: (M, 3) points of the predicted surface [m].
        residuals: (M,).
        shapes: (M,) int64, number of the shape.
        offset_column: (M,) derivative by a common offset of all outlines, in its deviations.
    """

    directions: np.ndarray
    points_aligned: np.ndarray
    residuals: np.ndarray
    shapes: np.ndarray
    offset_column: np.ndarray

    def of_shape(self, number: int) -> Equations:
        """Those of one shape."""
        mine = self.shapes == number
        return Equations(*(getattr(self, field.name)[mine] for field in fields(self)))

    def motion_columns(self, centers_aligned: np.ndarray) -> np.ndarray:
        """(M, 4) derivatives by growth (relative) about (3,) or (M, 3) centres and by shift [m]."""
        growth = np.einsum("mi,mi->m", self.directions, self.points_aligned - centers_aligned)
        return np.column_stack([growth, self.directions])

    def turn_column(self, axis_aligned: np.ndarray, center_aligned: np.ndarray) -> np.ndarray:
        """(M,) derivative by a turn [rad] about an axis through a centre."""
        moved = np.cross(axis_aligned, self.points_aligned - center_aligned)
        return np.einsum("mi,mi->m", self.directions, moved)

    def weights(self) -> np.ndarray:
        """(M,) robust weights: what is typical of all equations is taken for their deviation."""
        if not len(self.residuals):
            return np.zeros(0)
        typical = max(1.0, MAD * float(np.median(np.abs(self.residuals))))
        relative = self.residuals / (TOLERATED * typical)
        return (1 + relative**2) ** -2.0 / typical**2


def depth_equations(
    seen: Sequence[SeenShape], view: FitView, options: PlacementOptions
) -> Equations:
    """A reading lies on the plane of the surface that is predicted in its pixel."""
    readings, masks = view.depth.reshape(-1), view.masks.reshape(len(view.masks), -1)
    chosen = [
        _spread(
            np.flatnonzero(mask[shape.pixels] & (readings[shape.pixels] > 0)),
            options.readings_per_object,
        )
        for shape, mask in zip(seen, masks, strict=True)
    ]
    points = _gather([shape.points_aligned for shape in seen], chosen)
    normals = _gather([shape.normals_aligned for shape in seen], chosen)
    pixels = _gather([shape.pixels for shape in seen], chosen)
    rays, depth = view.rays_aligned.reshape(-1, 3)[pixels], readings[pixels]
    sigma = options.noise + options.noise_growth * depth**2
    residuals = np.einsum("mi,mi->m", normals, rays * depth[:, None] - points)
    cosine = np.abs(np.einsum("mi,mi->m", normals, rays)) / np.linalg.norm(rays, axis=1)
    kept = cosine > LEAST_COSINE
    return Equations(
        normals[kept] / sigma[kept, None],
        points[kept],
        residuals[kept] / sigma[kept],
        _numbers(chosen)[kept],
        np.zeros(np.count_nonzero(kept)),
    )


def outline_equations(
    seen: Sequence[SeenShape], view: FitView, options: PlacementOptions
) -> Equations:
    """The rim of a shape lies on its mask's outline where that is its own, and the other way round.

    One way alone would be fulfilled by a shape that shrinks into a corner of its mask.
    """
    pairs = [
        _outline_pairs(shape, outline, view.camera.width, options.outline_per_object)
        for shape, outline in zip(seen, view.outlines, strict=True)
    ]
    chosen, offsets, gradients = zip(*pairs, strict=True)
    points = _gather([shape.points_aligned for shape in seen], chosen)
    x, y, z = (points @ view.aligned_from_camera).T
    # A motion of the point, seen as one of its pixel across the outline.
    across = np.concatenate(gradients) @ view.camera.k[:2, :2]
    toward = -(across[:, 0] * x + across[:, 1] * y) / z
    directions_camera = np.column_stack([across, toward]) / z[:, None]
    sigma = max(0.5, options.outline_error / view.stride)
    return Equations(
        directions_camera @ view.aligned_from_camera.T / sigma,
        points,
        np.concatenate(offsets) / sigma,
        _numbers(chosen),
        np.ones(len(points)),
    )


def _outline_pairs(
    shape: SeenShape, outline: Outline, width: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of a shape's pixels, how far outward each should go [pixels], and where outward is.

    Returns:
        (2 R,) int64 rows, (2 R,) offsets, (2 R, 2) outward unit directions by u and v; first the
        shape's rim as seen from itself, then as seen from the mask's.
    """
    rim, gradient = np.flatnonzero(shape.is_rim), outline.gradient.reshape(2, -1).T
    if not len(rim):
        return np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 2))
    own = rim[outline.is_own.reshape(-1)[shape.pixels[rim]]]
    own = _spread(own, count)
    mine = shape.pixels[own]
    forth = -(outline.distance.reshape(-1)[mine] + 0.5)
    other = _spread(outline.rim, count)
    tree = cKDTree(np.column_stack(np.divmod(shape.pixels[rim], width)[::-1]))
    at = np.column_stack(np.divmod(other, width)[::-1])
    _, nearest = tree.query(at) if len(at) else (None, np.zeros(0, np.int64))
    back = np.einsum("mi,mi->m", gradient[other], at - tree.data[nearest])
    rows = np.concatenate([own, rim[nearest]])
    return rows, np.concatenate([forth, back]), np.concatenate([gradient[mine], gradient[other]])


def _gather(arrays: Sequence[np.ndarray], chosen: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([array[rows] for array, rows in zip(arrays, chosen, strict=True)])


def _numbers(chosen: Sequence[np.ndarray]) -> np.ndarray:
    return np.repeat(np.arange(len(chosen)), [len(rows) for rows in chosen])


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """At most so many of the rows, spread evenly."""
    if len(rows) <= count:
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
