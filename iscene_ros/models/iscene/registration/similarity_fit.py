"""One similarity for all shapes of a scene: initial values, then reweighted least squares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, islice

import numpy as np
from scipy.optimize import least_squares

from iscene_ros.core.scene import Mesh
from iscene_ros.models.iscene.registration.equations import (
    Equations,
    depth_equations,
    outline_equations,
)
from iscene_ros.models.iscene.registration.fit_view import FitView
from iscene_ros.models.iscene.registration.fitness import agreements
from iscene_ros.models.iscene.registration.rendered_shapes import render_scene
from iscene_ros.models.iscene.registration.result import Similarity

# The iteration ends with a step that changes no length by more than this share.
SETTLED = 3e-4
# Bound of a step: relative growth, and shift as a share of the distance.
LARGEST_STEP = 0.3
# Standard deviation of the growth of a step, which keeps the problem determined.
GROWTH_SIGMA = 1.0
# Standard deviation and bound of the common offset of all outlines, in those of one outline.
OFFSET_SIGMA, LARGEST_OFFSET = 2.0, 3.0
# Steps in all, and steps after which a start is scored; above this score no other start is tried.
STEPS, FIRST_STEPS, GOOD_SCORE = 12, 3, 0.8
# Number of solutions of the fit of boxes that are tried, at most.
MOST_BOXES = 4
# Smallest depth of the cube's points in front of the camera, in edges of the cube.
LEAST_DEPTH = 0.05
# Box edges that disagree by more than this share of the masks' joint box lose weight.
DOUBTFUL_SHARE = 0.05
# Starts of the search from groups of large masks, besides the start from all masks.
GUESSES = 6
# Results of the search that differ by less than this share of the distance are the same.
SAME_SHARE = 0.05
# Vertices of a mesh from which its box in the image is computed.
CORNERS = 100


def fit_scene(meshes_cube: Sequence[Mesh], view: FitView) -> Similarity:
    """Return the similarity at which the renderings agree best with the view.

    Without any reading the scale stays 1.
    """
    has_depth = bool(np.any(view.depth[view.masks.any(axis=0)] > 0))
    best, best_score = None, -1.0
    for start in _starts(meshes_cube, view, has_depth):
        tried = _descend(meshes_cube, view, start, FIRST_STEPS)
        rendered = render_scene(meshes_cube, tried, view)
        score = float(agreements(rendered, view).mean())
        if score > best_score:
            best, best_score = tried, score
        if score > GOOD_SCORE:
            break
    return _descend(meshes_cube, view, best, STEPS - FIRST_STEPS)


def _starts(meshes_cube: Sequence[Mesh], view: FitView, has_depth: bool) -> Iterator[Similarity]:
    """Yield initial similarities, the likeliest first."""
    boxes = starts_from_boxes(meshes_cube, view)[:MOST_BOXES]
    yield scaled_to_depth(meshes_cube, view, boxes[0])
    medians = start_from_medians(meshes_cube, view, boxes[0]) if has_depth else None
    if medians is not None:
        yield medians
    pairs = starts_from_boxes(meshes_cube, view, group=2) if len(meshes_cube) > 2 else []
    for start in (*boxes[1:], *pairs[:MOST_BOXES]):
        yield scaled_to_depth(meshes_cube, view, start)


def _descend(
    meshes_cube: Sequence[Mesh], view: FitView, similarity: Similarity, steps: int
) -> Similarity:
    for _ in range(steps):
        rendered = render_scene(meshes_cube, similarity, view)
        readings = depth_equations(rendered, view)
        outlines = outline_equations(rendered, view)
        if not len(readings.residuals) + len(outlines.residuals):
            break
        step = _solve([readings, outlines], similarity, has_depth=len(readings.residuals) > 0)
        similarity = similarity.scaled_about_camera(1 + float(step[0])).shifted(step[1:])
        distance = float(np.linalg.norm(similarity.translation))
        if max(abs(step[0]), np.abs(step[1:]).max() / distance) < SETTLED:
            break
    return similarity


def _solve(groups: Sequence[Equations], similarity: Similarity, has_depth: bool) -> np.ndarray:
    """Return one step (4,): growth about the camera, and shift [m].

    Masks are often too wide, or too narrow, all around: that offset is a fifth unknown.
    """
    distance = float(np.linalg.norm(similarity.translation))
    sigmas = np.array([GROWTH_SIGMA, *[distance] * 3, OFFSET_SIGMA])
    free = np.array([has_depth, True, True, True, True])
    normal, right = np.diag(sigmas**-2.0), np.zeros(5)
    for equations in groups:
        # The derivative by relative growth about the camera's centre comes first.
        growth = np.einsum("mi,mi->m", equations.directions, equations.points_aligned)
        jacobian = np.column_stack([growth, equations.directions, equations.offset_column])
        weighted = jacobian * equations.weights()[:, None]
        normal += weighted.T @ jacobian
        right += weighted.T @ equations.residuals
    step = np.zeros(5)
    step[free] = np.linalg.solve(normal[np.ix_(free, free)], right[free])
    if abs(step[4]) > LARGEST_OFFSET:
        # The shapes differ from the masks by more than an inexact outline.
        right -= normal[:, 4] * np.sign(step[4]) * LARGEST_OFFSET
        free[4] = False
        step[free] = np.linalg.solve(normal[np.ix_(free, free)], right[free])
    step = step[:4]
    largest = max(abs(step[0]), float(np.linalg.norm(step[1:])) / distance)
    return step * min(1.0, LARGEST_STEP / max(largest, 1e-12))


def starts_from_boxes(
    meshes_cube: Sequence[Mesh], view: FitView, group: int = 1
) -> list[Similarity]:
    """Fit the shapes' boxes in the image to those of their masks, at scale 1.

    Where shapes and masks contradict each other there are several solutions; the best comes first.

    Args:
        meshes_cube: the shapes.
        view: with their masks.
        group: the search starts from the box around all shapes, and around groups of this size.
    """
    points = []
    for mesh in meshes_cube:
        extremes = np.concatenate([mesh.vertices.argmin(axis=0), mesh.vertices.argmax(axis=0)])
        step = max(1, len(mesh.vertices) // CORNERS)
        few = np.concatenate([mesh.vertices[::step], mesh.vertices[extremes]])
        points.append(few.astype(np.float64) @ view.aligned_from_camera)
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
    """Scale about the camera to the depth of the readings; unchanged where none can be compared."""
    readings = view.depth.reshape(-1)
    ratios = []
    for shape, mask in zip(render_scene(meshes_cube, start, view), view.masks, strict=True):
        both = mask.reshape(-1)[shape.pixels] & (readings[shape.pixels] > 0)
        if both.any():
            ratios.append(np.median(readings[shape.pixels][both] / shape.depth[both]))
    return start.scaled_about_camera(float(np.median(ratios))) if ratios else start


def start_from_medians(
    meshes_cube: Sequence[Mesh], view: FitView, near: Similarity
) -> Similarity | None:
    """Fit medians of the shapes' visible parts to those of the readings; None for less than two.

    Args:
        meshes_cube: the shapes.
        view: with depth.
        near: a similarity that shows roughly the visible side of the shapes.
    """
    predicted, observed = [], []
    for shape, mask in zip(render_scene(meshes_cube, near, view), view.masks, strict=True):
        read = mask & (view.depth > 0)
        if len(shape.pixels) and read.any():
            predicted.append(np.median(shape.points_aligned, axis=0))
            points = view.rays_aligned[read] * view.depth[read][:, None]
            observed.append(np.median(points, axis=0))
    if len(predicted) < 2:
        return None
    # Medians of the scale over pairs of points far apart, and of the translation over points.
    cube, seen = (np.array(predicted) - near.translation) / near.scale, np.array(observed)
    one, other = np.triu_indices(len(cube), 1)
    apart_cube = np.linalg.norm(cube[one] - cube[other], axis=1)
    apart_view = np.linalg.norm(seen[one] - seen[other], axis=1)
    far = apart_cube >= np.median(apart_cube)
    scale = float(np.median(apart_view[far] / np.maximum(apart_cube[far], 1e-9)))
    return Similarity(scale, np.median(seen - scale * cube, axis=0))


def _guess(points: np.ndarray, masks: np.ndarray, view: FitView) -> np.ndarray:
    """Estimate the cube's centre (3,) in the camera's axes from the joint box of some masks."""
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
    """Return the share (N, 4) of the outline at each edge of a mask's box that is its own."""
    shares = np.empty((len(view.masks), 4))
    for number, (mask, outline) in enumerate(zip(view.masks, view.outlines, strict=True)):
        left, top, right, bottom = _mask_box(mask).astype(int)
        strips = (np.s_[:, left], np.s_[top, :], np.s_[:, right], np.s_[bottom, :])
        shares[number] = [outline.is_own[s][mask[s]].mean() for s in strips]
    # A small weight keeps the problem determined where every edge is doubtful.
    return np.maximum(shares, 0.05)
