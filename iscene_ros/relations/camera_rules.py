"""What the camera sees left of, in front of, and hidden by what."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.geometry.bodies import Body
from iscene_ros.geometry.contacts import facings
from iscene_ros.geometry.mesh_measures import bounds
from iscene_ros.geometry.ray_columns import BITS, ColumnGrid, Triangles
from iscene_ros.relations.rule import MAX_SIGMAS, Edge, Measurements, Rule, in_sigmas

# Beside each other: the centres are further apart than this share of the smaller one's width.
BESIDE_SHARE = 0.5

CAMERA_FRAME = "camera"

# Rays through all objects together, and the distance from which on they are followed [m].
RAYS = 12_000
NEAREST_M = 0.02


def beside_candidates(measurements: Measurements, predicate: Predicate, axis: int) -> list[Edge]:
    """Find near pairs beside each other along a horizontal axis of the camera.

    Args:
        measurements: of the scene.
        predicate: of the edges.
        axis: 0 = to the camera's right, 1 = away from it.
    """
    if measurements.upright_from_camera is None:
        return []
    geometry = measurements.geometry
    # Horizontal; a camera that looks straight down sees "away" at the upper border of its image.
    direction = measurements.upright_from_camera[:3, 0] * (1.0, 1.0, 0.0)
    if np.linalg.norm(direction) < 1e-6:
        direction = np.array([1.0, 0.0, 0.0])
    direction /= np.linalg.norm(direction)
    if axis == 1:
        direction = np.cross([0.0, 0.0, 1.0], direction)
    ranges = [body.vertices @ direction for body in geometry.bodies]
    low, high = [r.min() for r in ranges], [r.max() for r in ranges]
    found = []
    for pair in ((gap.one, gap.other) for gap in measurements.gaps):
        start, end = (0.5 * (low[b] + high[b]) for b in pair)
        width = min(high[b] - low[b] for b in pair)
        sigma = float(np.hypot(*geometry.sigmas[list(pair)])) + 0.05 * width
        clearance = (abs(end - start) - BESIDE_SHARE * width) / max(sigma, 1e-9)
        if clearance < -MAX_SIGMAS:
            continue
        one, other = pair if end > start else pair[::-1]
        evidence = RelationEvidence(gap_m=float(abs(end - start)), frame=CAMERA_FRAME)
        features = (in_sigmas(clearance, 1.0),)
        found.append(measurements.candidate(one, predicate, other, features, evidence))
    return found


def occlusion_candidates(measurements: Measurements) -> list[Edge]:
    """Find pairs of objects with a common line of sight; the nearer one hides the other."""
    if measurements.upright_from_camera is None:
        return []
    camera_from_upright = np.linalg.inv(measurements.upright_from_camera)
    projected = [_projected(body, camera_from_upright) for body in measurements.geometry.bodies]
    index = np.array([i for i, body in enumerate(projected) if body is not None], np.int64)
    bodies = [body for body in projected if body is not None]
    if len(bodies) < 2:
        return []
    area = sum(float(np.prod(body.size[:2])) for body in bodies)
    grid = ColumnGrid(2, max(float(np.sqrt(area / RAYS)), 1e-6))
    intervals = grid.intervals(Triangles.of(bodies))
    pairs = np.unique((intervals.body << (2 * BITS)) | intervals.cell)
    rays = np.bincount(pairs >> (2 * BITS), minlength=len(bodies))
    f = facings(grid, intervals)
    hidden = np.unique(((f.lower * len(bodies) + f.upper) << (2 * BITS)) | f.cell)
    groups, counts = np.unique(hidden >> (2 * BITS), return_counts=True)
    found = []
    for group, count in zip(groups, counts, strict=True):
        near, far = divmod(group, len(bodies))
        share = float(count / max(rays[far], 1))
        ends = int(index[near]), Predicate.OCCLUDES, int(index[far])
        features = (min(share, 0.2), float(np.log(count)))
        found.append(measurements.candidate(*ends, features, RelationEvidence(share=share)))
    return found


def _projected(body: Body, camera_from_upright: np.ndarray) -> Body | None:
    """Return the body with columns as lines of sight: x / z, y / z and -1 / z."""
    points = body.vertices @ camera_from_upright[:3, :3].T + camera_from_upright[:3, 3]
    ahead = points[:, 2] > NEAREST_M
    faces = body.faces if ahead.all() else body.faces[ahead[body.faces].all(axis=1)]
    if not len(faces):
        return None
    depth = np.where(ahead, points[:, 2], 1.0)
    rays = np.column_stack([points[:, 0] / depth, points[:, 1] / depth, -1.0 / depth])
    low, high = bounds(rays[ahead])
    return replace(body, vertices=rays, faces=faces, low=low, high=high)


def _beside(predicate: Predicate, axis: int) -> Rule:
    find = partial(beside_candidates, predicate=predicate, axis=axis)
    return Rule(predicate, ("clearance [sigma]",), find)


CAMERA_RULES = (
    _beside(Predicate.LEFT_OF, 0),
    _beside(Predicate.IN_FRONT_OF, 1),
    Rule(Predicate.OCCLUDES, ("share", "logarithm of the rays"), occlusion_candidates),
)
