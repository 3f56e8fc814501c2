"""Where to begin: the masks' boxes say from where the cube is seen, readings how large it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice

import numpy as np
from scipy.optimize import least_squares

from iscene_ros.core.scene import Mesh
from iscene_ros.models.iscene.registration.fit_view import FitView
from iscene_ros.models.iscene.registration.rendered_shapes import see_all
from iscene_ros.models.iscene.registration.result import Similarity

# The cube's corners stay at least so far in front of the camera, in edges of the cube.
LEAST_DEPTH = 0.05
# Edges of boxes that disagree by more than this share of the masks' box count little.
DOUBTFUL_SHARE = 0.05
# Besides at the box around everything, the search begins at so many of those of large masks.
GUESSES = 6
# Results of the search that differ by less than this share of the distance are one.
SAME_SHARE = 0.05
# Corners of a mesh that stand for it when only its box is asked.
CORNERS = 100


def starts_from_boxes(
    meshes_cube: Sequence[Mesh], view: FitView, group: int = 1
) -> list[Similarity]:
    """Of scale 1: the shapes' boxes in the picture are those of their masks, but for a few.

    Where shapes and masks contradict each other there are several ways; the likeliest comes first.

    Args:
        meshes_cube: the shapes.
        view: with their masks.
        group: the search begins at the box around all shapes, and at those around so many of them.
    """
    points = [
        _few(mesh.vertices).astype(np.float64) @ view.aligned_from_camera for mesh in meshes_cube
    ]
    masks = np.stack([_mask_box(mask) for mask in view.masks])
    span = float(max(np.ptp(masks[:, [0, 2]]), np.ptp(masks[:, [1, 3]])))
    first = np.cumsum([0, *map(len, points)])[:-1]
    together = np.concatenate(points)
    trusted = _trusted_edges(view)

    def misfit(center_camera: np.ndarray) -> np.ndarray:
        placed = together + center_camera
        placed[:, 2] = np.maximum(placed[:, 2], LEAST_DEPTH)
        pixels = view.camera.project(placed)
        low, high = np.minimum.reduceat(pixels, first), np.maximum.reduceat(pixels, first)
        return ((np.hstack([low, high]) - masks) * trusted / (DOUBTFUL_SHARE * span)).ravel()

    largest = np.argsort(-view.masks.sum(axis=(1, 2)), kind="stable")
    groups = [range(len(points)), *islice(combinations(largest, group), GUESSES)]
    guesses = [
        _guess(np.concatenate([points[i] for i in members]), masks[list(members)], view)
        for members in groups
    ]
    found = [
        least_squares(misfit, guess, loss="cauchy", x_scale="jac", max_nfev=40) for guess in guesses
    ]
    distinct: list[np.ndarray] = []
    for result in sorted(found, key=lambda result: result.cost):
        near = np.linalg.norm(np.reshape(distinct, (-1, 3)) - result.x, axis=1)
        if np.all(near > SAME_SHARE * np.linalg.norm(result.x)):
            distinct.append(result.x)
    return [Similarity(1.0, view.aligned_from_camera @ center) for center in distinct]


def scaled_to_depth(meshes_cube: Sequence[Mesh], view: FitView, start: Similarity) -> Similarity:
    """The same picture as far away as the readings are; unchanged where none can be compared."""
    readings = view.depth.reshape(-1)
    ratios = []
    for shape, mask in zip(see_all(meshes_cube, start, view), view.masks, strict=True):
        both = mask.reshape(-1)[shape.pixels] & (readings[shape.pixels] > 0)
        if both.any():
            ratios.append(np.median(readings[shape.pixels][both] / shape.depth[both]))
    return start.seen_from_camera_scaled(float(np.median(ratios))) if ratios else start


def start_from_medians(
    meshes_cube: Sequence[Mesh], view: FitView, near: Similarity
) -> Similarity | None:
    """The middles of the shapes' visible parts are those of the readings; None for less than two.

    Args:
        meshes_cube: the shapes.
        view: with depth.
        near: tells roughly which side of the shapes is seen.
    """
    predicted, observed = [], []
    for shape, mask in zip(see_all(meshes_cube, near, view), view.masks, strict=True):
        read = mask & (view.depth > 0)
        if len(shape.pixels) and read.any():
            predicted.append(np.median(shape.points_aligned, axis=0))
            points = view.rays_aligned[read] * view.depth[read][:, None]
            observed.append(np.median(points, axis=0))
    if len(predicted) < 2:
        return None
    cube = (np.array(predicted) - near.translation) / near.scale
    return _robust_similarity(cube, np.array(observed))


def _robust_similarity(points_cube: np.ndarray, points_aligned: np.ndarray) -> Similarity:
    """Medians over all pairs of points, then over the points; none of them turned."""
    one, other = np.triu_indices(len(points_cube), 1)
    apart_cube = np.linalg.norm(points_cube[one] - points_cube[other], axis=1)
    apart_view = np.linalg.norm(points_aligned[one] - points_aligned[other], axis=1)
    far = apart_cube >= np.median(apart_cube)
    scale = float(np.median(apart_view[far] / np.maximum(apart_cube[far], 1e-9)))
    return Similarity(scale, np.median(points_aligned - scale * points_cube, axis=0))


def _guess(points: np.ndarray, masks: np.ndarray, view: FitView) -> np.ndarray:
    """(3,) the cube's centre in the camera's axes, from the box around everything."""
    low, high = masks[:, :2].min(axis=0), masks[:, 2:].max(axis=0)
    k = view.camera.k
    extent = np.ptp(points[:, :2], axis=0) * (k[0, 0], k[1, 1])
    distance = float(np.sqrt(np.prod(extent) / np.prod(np.maximum(high - low, 1.0))))
    distance = max(distance, 2 * LEAST_DEPTH - float(points[:, 2].min()))
    middle = view.camera.unproject(0.5 * (low + high)[None], np.array([distance]))[0]
    return middle - 0.5 * (points.min(axis=0) + points.max(axis=0)) * (1, 1, 0)


def _mask_box(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float64)


def _trusted_edges(view: FitView) -> np.ndarray:
    """(N, 4) how much of the outline near each edge of a mask's box is the object's own."""
    shares = np.empty((len(view.masks), 4))
    for number, (mask, outline) in enumerate(zip(view.masks, view.outlines, strict=True)):
        left, top, right, bottom = _mask_box(mask).astype(int)
        strips = (np.s_[:, left], np.s_[top, :], np.s_[:, right], np.s_[bottom, :])
        shares[number] = [outline.is_own[s][mask[s]].mean() for s in strips]
    # Something has to hold the cube where every edge is doubtful.
    return np.maximum(shares, 0.05)


def _few(vertices: np.ndarray) -> np.ndarray:
    extremes = np.concatenate([vertices.argmin(axis=0), vertices.argmax(axis=0)])
    step = max(1, len(vertices) // CORNERS)
    return np.concatenate([vertices[::step], vertices[extremes]])
