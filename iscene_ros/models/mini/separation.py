"""Separation of predicted shapes: no voxel is inside two objects.

Each object is predicted alone, and its hidden part may grow into a neighbour. Where two shapes
overlap, the surface between them runs where their signed distances, each in units of its expected
error, are equal: what was observed stays, what was guessed gives way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
from scipy import ndimage

from iscene_ros.models.mini.predicted_shape import DistanceShape

# Errors are at least this [m], as of a depth sensor.
LEAST_ERROR_M = 0.001
# Voxels around the overlap of two boxes that are looked at, too.
MARGIN = 2


def separated(shapes: Sequence[DistanceShape]) -> tuple[DistanceShape, ...]:
    """Return the shapes of one view, none of which is inside another one."""
    bounds = [_bounds(shape) for shape in shapes]
    distances = [shape.surface_distance.copy() for shape in shapes]
    for row, other in permutations(range(len(shapes)), 2):
        if bounds[row] is None or bounds[other] is None:
            continue
        low = np.maximum(bounds[row][0], bounds[other][0])
        high = np.minimum(bounds[row][1], bounds[other][1])
        if (low < high).all():
            window = _window(shapes[row], low, high)
            between = _between(shapes[row], shapes[other], window)
            distances[row][window] = np.maximum(distances[row][window], between)
    pairs = zip(shapes, distances, strict=True)
    return tuple(replace(shape, separated=distance) for shape, distance in pairs)


def _bounds(shape: DistanceShape) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the corners (3,) of the voxels inside a shape [m]; None where there is none."""
    inside = np.argwhere(shape.surface_distance < 0)
    if not len(inside):
        return None
    points = shape.crop.cube.to_aligned((inside + 0.5) / len(shape.distance) - 0.5)
    return points.min(axis=0), points.max(axis=0)


def _window(shape: DistanceShape, low: np.ndarray, high: np.ndarray) -> tuple[slice, ...]:
    """Return the part of a shape's grid between two corners [m], with a margin."""
    side = len(shape.distance)
    corners = (shape.crop.cube.from_aligned(np.stack([low, high])) + 0.5) * side - 0.5
    first = np.clip(np.floor(corners[0]).astype(int) - MARGIN, 0, side)
    last = np.clip(np.ceil(corners[1]).astype(int) + MARGIN + 1, 0, side)
    return tuple(slice(a, b) for a, b in zip(first, last, strict=True))


def _between(
    shape: DistanceShape, neighbour: DistanceShape, window: tuple[slice, ...]
) -> np.ndarray:
    """Return the distance to the surface between two shapes in a window of the first one's grid.

    It is in units of the first one's truncation, positive on the neighbour's side, and -1 away from
    the neighbour.
    """
    side = len(shape.distance)
    axes = [(np.arange(part.start, part.stop) + 0.5) / side - 0.5 for part in window]
    points = shape.crop.cube.to_aligned(np.stack(np.meshgrid(*axes, indexing="ij"), -1))
    voxels = (neighbour.crop.cube.from_aligned(points) + 0.5) * len(neighbour.distance) - 0.5

    def sampled(field: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(field, voxels.transpose(3, 0, 1, 2), order=1, mode="nearest")

    unit, other_unit = shape.truncation_m, neighbour.truncation_m
    own, others = shape.surface_distance[window] * unit, sampled(neighbour.surface_distance)
    others *= other_unit
    own_error = np.maximum(shape.error[window] * unit, LEAST_ERROR_M)
    other_error = np.maximum(sampled(neighbour.error) * other_unit, LEAST_ERROR_M)
    between = (own * other_error - others * own_error) / (own_error + other_error)
    is_close = others < 2 * neighbour.crop.cube.size / len(neighbour.distance)
    return np.where(is_close, between / unit, -1.0).astype(np.float32)
