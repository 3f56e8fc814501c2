"""One similarity for all shapes of a scene, by iterated robust least squares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from iscene_ros.core.scene import Mesh
from iscene_ros.models.iscene.registration.agreement import agreements
from iscene_ros.models.iscene.registration.equations import (
    Equations,
    depth_equations,
    outline_equations,
)
from iscene_ros.models.iscene.registration.fit_view import FitView
from iscene_ros.models.iscene.registration.initialisation import (
    scaled_to_depth,
    start_from_medians,
    starts_from_boxes,
)
from iscene_ros.models.iscene.registration.options import PlacementOptions
from iscene_ros.models.iscene.registration.rendered_shapes import see_all
from iscene_ros.models.iscene.registration.result import Similarity

# A step that changes no length by more than this share is the last one.
SETTLED = 3e-4
# No step grows, or moves in parts of the distance, by more than this.
LARGEST_STEP = 0.3
# Deviation of the growth and of the turns of a step; keeps what nothing determines.
GROWTH_SIGMA, TURN_SIGMA = 1.0, 0.1
# Deviation and bound of the common offset of all outlines, in deviations of one.
OFFSET_SIGMA, LARGEST_OFFSET = 2.0, 3.0
# Steps after which a start is judged; with this agreement no other one is tried.
FIRST_STEPS, CONVINCING = 3, 0.8
# At most so many of the ways to lay boxes over each other are tried.
MOST_BOXES = 4


def fit_scene(meshes_cube: Sequence[Mesh], view: FitView, options: PlacementOptions) -> Similarity:
    """The similarity at which what would be seen agrees best with what was seen.

    Without any reading the scale stays 1.
    """
    has_depth = bool(np.any(view.depth[view.masks.any(axis=0)] > 0))
    best, best_score = None, -1.0
    for start in _starts(meshes_cube, view, has_depth):
        tried = _descend(meshes_cube, view, start, FIRST_STEPS, options)
        score = _score(meshes_cube, view, tried, options)
        if score > best_score:
            best, best_score = tried, score
        if score > CONVINCING:
            break
    return _descend(meshes_cube, view, best, options.steps - FIRST_STEPS, options)


def _starts(meshes_cube: Sequence[Mesh], view: FitView, has_depth: bool) -> Iterator[Similarity]:
    """Where to begin, the likeliest first."""
    boxes = starts_from_boxes(meshes_cube, view)[:MOST_BOXES]
    yield scaled_to_depth(meshes_cube, view, boxes[0])
    medians = start_from_medians(meshes_cube, view, boxes[0]) if has_depth else None
    if medians is not None:
        yield medians
    pairs = starts_from_boxes(meshes_cube, view, group=2) if len(meshes_cube) > 2 else []
    for start in (*boxes[1:], *pairs[:MOST_BOXES]):
        yield scaled_to_depth(meshes_cube, view, start)


def _score(
    meshes_cube: Sequence[Mesh], view: FitView, similarity: Similarity, options: PlacementOptions
) -> float:
    seen = see_all(meshes_cube, similarity, view)
    return float(agreements(seen, view, options).mean())


def _descend(
    meshes_cube: Sequence[Mesh],
    view: FitView,
    similarity: Similarity,
    steps: int,
    options: PlacementOptions,
) -> Similarity:
    for _ in range(steps):
        seen = see_all(meshes_cube, similarity, view)
        readings = depth_equations(seen, view, options)
        outlines = outline_equations(seen, view, options)
        if not len(readings.residuals) + len(outlines.residuals):
            break
        has_depth = len(readings.residuals) > 0
        step = _solve([readings, outlines], similarity, has_depth, options)
        similarity = _moved(similarity, step, options)
        distance = float(np.linalg.norm(similarity.translation))
        if max(abs(step[0]), np.abs(step[1:4]).max() / distance, np.abs(step[4:]).max()) < SETTLED:
            break
    return similarity


def _solve(
    groups: Sequence[Equations], similarity: Similarity, has_depth: bool, options: PlacementOptions
) -> np.ndarray:
    """(6,) growth about the camera, shift [m], yaw and pitch [rad] of one step.

    Masks are often too wide, or too narrow, all around: that offset is one more unknown.
    """
    distance = float(np.linalg.norm(similarity.translation))
    sigmas = np.array([GROWTH_SIGMA, *[distance] * 3, TURN_SIGMA, TURN_SIGMA, OFFSET_SIGMA])
    free = np.array([has_depth, True, True, True, options.turn, options.turn, True])
    normal, right = np.diag(sigmas**-2.0), np.zeros(7)
    # Turns found so far are held back, too, not only those of this step.
    right[4:6] -= np.array([similarity.yaw, similarity.pitch]) / TURN_SIGMA**2
    axes = np.array([[0.0, 0.0, 1.0], similarity.rotation[:, 0]])
    for equations in groups:
        turns = [equations.turn_column(axis, similarity.translation) for axis in axes]
        motion = equations.motion_columns(np.zeros(3))
        jacobian = np.column_stack([motion, *turns, equations.offset_column])
        weighted = jacobian * equations.weights()[:, None]
        normal += weighted.T @ jacobian
        right += weighted.T @ equations.residuals
    step = np.zeros(7)
    step[free] = np.linalg.solve(normal[np.ix_(free, free)], right[free])
    if abs(step[6]) > LARGEST_OFFSET:
        # The shapes differ from the masks by more than a careless outline.
        right -= normal[:, 6] * np.sign(step[6]) * LARGEST_OFFSET
        free[6] = False
        step[free] = np.linalg.solve(normal[np.ix_(free, free)], right[free])
    step = step[:6]
    largest = max(abs(step[0]), float(np.linalg.norm(step[1:4])) / distance)
    return step * min(1.0, LARGEST_STEP / max(largest, 1e-12))


def _moved(similarity: Similarity, step: np.ndarray, options: PlacementOptions) -> Similarity:
    grown = similarity.seen_from_camera_scaled(1 + float(step[0])).shifted(step[1:4])
    yaw, pitch = np.clip(
        np.array([similarity.yaw, similarity.pitch]) + step[4:], -options.max_turn, options.max_turn
    )
    return replace(grown, yaw=float(yaw), pitch=float(pitch))
