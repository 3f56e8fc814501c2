"""Linear equations of a small motion: depth readings lie on the surface, rims on mask outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.spatial import cKDTree

from iscene_ros.models.iscene.registration.fit_view import FitView, Outline, reading_noise
from iscene_ros.models.iscene.registration.rendered_shapes import RenderedShape

# Residuals beyond this many standard deviations lose most of their weight.
TOLERATED = 2.0
# From the median of absolute values to the standard deviation.
MAD = 1.4826
# Pixels of one object that take part in a step, at most.
DEPTH_PIXELS, OUTLINE_PIXELS = 300, 150
# Standard deviation of a mask's outline [pixels of the observation].
OUTLINE_ERROR = 1.0
# Surfaces seen at a flatter angle than this have no reliable readings.
LEAST_COSINE = 0.15


@dataclass(frozen=True)
class Equations:
    """M equations direction . motion(point) = residual, each in units of its standard deviation.

    Attributes:
        directions: (M, 3) in the gravity-aligned frame [1/m].
        points_aligned: (M, 3) points of the predicted surface [m].
        residuals: (M,).
        shapes: (M,) int64, number of the shape.
        offset_column: (M,) derivative by a common offset of all outlines, in standard deviations.
    """

    directions: np.ndarray
    points_aligned: np.ndarray
    residuals: np.ndarray
    shapes: np.ndarray
    offset_column: np.ndarray

    def of_shape(self, number: int) -> Equations:
        """Return the equations of one shape."""
        mine = self.shapes == number
        return Equations(*(getattr(self, field.name)[mine] for field in fields(self)))

    def weights(self) -> np.ndarray:
        """Return (M,) robust weights, with the typical residual as standard deviation."""
        if not len(self.residuals):
            return np.zeros(0)
        typical = max(1.0, MAD * float(np.median(np.abs(self.residuals))))
        relative = self.residuals / (TOLERATED * typical)
        return (1 + relative**2) ** -2.0 / typical**2


def depth_equations(rendered: Sequence[RenderedShape], view: FitView) -> Equations:
    """Return equations that put each reading on the plane of the surface predicted in its pixel."""
    readings, masks = view.depth.reshape(-1), view.masks.reshape(len(view.masks), -1)
    chosen = [
        _spread(np.flatnonzero(mask[shape.pixels] & (readings[shape.pixels] > 0)), DEPTH_PIXELS)
        for shape, mask in zip(rendered, masks, strict=True)
    ]
    points = _gather([shape.points_aligned for shape in rendered], chosen)
    normals = _gather([shape.normals_aligned for shape in rendered], chosen)
    pixels = _gather([shape.pixels for shape in rendered], chosen)
    rays, depth = view.rays_aligned.reshape(-1, 3)[pixels], readings[pixels]
    sigma = reading_noise(depth)
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


def outline_equations(rendered: Sequence[RenderedShape], view: FitView) -> Equations:
    """Return equations that put rims on the masks' own outlines, and outlines on rims.

    One direction alone would be fulfilled by a shape that shrinks into a corner of its mask.
    """
    pairs = [
        _outline_pairs(shape, outline, view.camera.width)
        for shape, outline in zip(rendered, view.outlines, strict=True)
    ]
    chosen, offsets, gradients = zip(*pairs, strict=True)
    points = _gather([shape.points_aligned for shape in rendered], chosen)
    x, y, z = (points @ view.aligned_from_camera).T
    # Derivative of the pixel across the outline by a motion of the point.
    across = np.concatenate(gradients) @ view.camera.k[:2, :2]
    toward = -(across[:, 0] * x + across[:, 1] * y) / z
    directions_camera = np.column_stack([across, toward]) / z[:, None]
    sigma = max(0.5, OUTLINE_ERROR / view.stride)
    return Equations(
        directions_camera @ view.aligned_from_camera.T / sigma,
        points,
        np.concatenate(offsets) / sigma,
        _numbers(chosen),
        np.ones(len(points)),
    )


def _outline_pairs(
    shape: RenderedShape, outline: Outline, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixels of a shape, their distances outward to the outline [pixels], and directions.

    Returns:
        (2 R,) int64 rows of the shape's pixels, (2 R,) distances, (2 R, 2) outward unit directions
        in u and v; first from the rim to the outline, then from the outline to the rim.
    """
    rim, gradient = np.flatnonzero(shape.is_rim), outline.gradient.reshape(2, -1).T
    if not len(rim):
        return np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 2))
    own = rim[outline.is_own.reshape(-1)[shape.pixels[rim]]]
    own = _spread(own, OUTLINE_PIXELS)
    mine = shape.pixels[own]
    forth = -(outline.distance.reshape(-1)[mine] + 0.5)
    other = _spread(outline.rim, OUTLINE_PIXELS)
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
    """Return at most `count` of the rows, evenly spaced."""
    if len(rows) <= count:
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
