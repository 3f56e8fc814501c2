"""One similarity for all shapes of a scene, by iteratively reweighted least squares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from iscene_ros.core.scene import Mesh
from iscene_ros.models.iscene.registration.equations import (
    Equations,
    depth_equations,
    outline_equations,
)
from iscene_ros.models.iscene.registration.fit_view import FitView
from iscene_ros.models.iscene.registration.fitness import agreements
from iscene_ros.models.iscene.registration.initialisation import (
    scaled_to_depth,
    start_from_medians,
    starts_from_boxes,
)
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


def fit_scene(meshes_cube: Sequence[Mesh], view: FitView) -> Similarity:
    """Return the similarity at which the renderings agree best with the view.

    Without any reading the scale stays 1.
    """
    has_depth = bool(np.any(view.depth[view.masks.any(axis=0)] > 0))
    best, best_score = None, -1.0
    for start in _starts(meshes_cube, view, has_depth):
        tried = _descend(meshes_cube, view, start, FIRST_STEPS)
        score = _score(meshes_cube, view, tried)
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


def _score(meshes_cube: Sequence[Mesh], view: FitView, similarity: Similarity) -> float:
    return float(agreements(render_scene(meshes_cube, similarity, view), view).mean())


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
        jacobian = np.column_stack(
            [equations.growth_column(), equations.directions, equations.offset_column]
        )
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
