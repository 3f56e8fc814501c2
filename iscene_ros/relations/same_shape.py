"""Which objects have the same shape, or mirror images of each other's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from scipy.spatial.transform import Rotation

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.geometry.shape_samples import PROBES, ShapeSample
from iscene_ros.geometry.symmetry import EQUAL
from iscene_ros.relations.candidates import EdgeCandidate

# Shapes are compared point by point only where extents and volumes agree this well, or to so many
# standard deviations of the surfaces.
ALIKE = 0.08
ALIKE_SIGMAS = 2.0

# Steps of the alignment, and of the turns that are tried about an undetermined axis.
ALIGNMENT_STEPS = 16
TURNS = 12
BEST_STARTS = 4


@dataclass(frozen=True)
class Alignment:
    """One shape laid over another one: rotation or reflection (3, 3), and what remains [m]."""

    transform: np.ndarray
    error_m: float


def same_shape_candidates(
    samples: Sequence[ShapeSample | None], known: Sequence[bool]
) -> list[EdgeCandidate]:
    """same_shape and mirrored, each pair once; a pair is one or the other."""
    found = []
    for one, other in combinations(range(len(samples)), 2):
        a, b = samples[one], samples[other]
        if a is None or b is None or not _alike(a, b):
            continue
        tolerance = float(np.hypot(a.tolerance, b.tolerance))
        same, mirrored = align(a, b, mirrored=False), align(a, b, mirrored=True)
        is_mirrored = mirrored.error_m < 0.5 * same.error_m and same.error_m > tolerance
        best = mirrored if is_mirrored else same
        predicate = Predicate.MIRRORED if is_mirrored else Predicate.SAME_SHAPE
        features = (min(best.error_m / tolerance, 8.0),)
        evidence = RelationEvidence(error_m=best.error_m)
        is_known = bool(known[one] and known[other])
        found.append(EdgeCandidate(one, predicate, other, features, evidence, is_known))
    return found


def align(one: ShapeSample, other: ShapeSample, mirrored: bool) -> Alignment:
    """The rotation, or reflection, about the centres that lays one shape best over the other."""
    starts = [
        _error(one, other, start, 80) for start in _starts(one, other) if _flips(start) == mirrored
    ]
    starts.sort(key=lambda s: s.error_m)
    refined = [_refined(one, other, start.transform) for start in starts[:BEST_STARTS]]
    return min(refined, key=lambda a: a.error_m)


def _alike(one: ShapeSample, other: ShapeSample) -> bool:
    slack = np.maximum(
        ALIKE * np.maximum(one.spread, other.spread), ALIKE_SIGMAS * (one.sigma + other.sigma)
    )
    if np.any(np.abs(one.spread - other.spread) > slack):
        return False
    sizes = np.cbrt([one.volume, other.volume])
    return bool(abs(sizes[0] - sizes[1]) <= max(ALIKE * sizes.max(), slack.max()))


def _starts(one: ShapeSample, other: ShapeSample) -> list[np.ndarray]:
    """Principal axes laid over principal axes, in all ways that their extents allow."""
    orders = [(0, 1, 2)]
    spread = one.spread
    close = [spread[i] - spread[i + 1] < 2 * EQUAL * max(spread[0], 1e-12) for i in range(2)]
    turns = [np.eye(3)]
    if all(close):
        turns += list(Rotation.random(4 * TURNS, random_state=0).as_matrix())
    elif any(close):
        axis = one.axes[2] if close[0] else one.axes[0]
        angles = 2 * np.pi * np.arange(TURNS) / TURNS
        turns = [Rotation.from_rotvec(angle * axis).as_matrix() for angle in angles]
    signs = [np.diag(s) for s in product((1.0, -1.0), repeat=3)]
    base = [other.axes[list(order)].T @ sign @ one.axes for order in orders for sign in signs]
    return [start @ turn for start in base for turn in turns]


def _flips(transform: np.ndarray) -> bool:
    return bool(np.linalg.det(transform) < 0)


def _error(
    one: ShapeSample, other: ShapeSample, transform: np.ndarray, probes: int = PROBES
) -> Alignment:
    points = one.points[:probes] @ transform.T
    return Alignment(transform, other.error(points, one.normals[:probes] @ transform.T))


def _refined(one: ShapeSample, other: ShapeSample, transform: np.ndarray) -> Alignment:
    """A few steps of iterated closest points; the centres stay together."""
    best = _error(one, other, transform)
    for _ in range(ALIGNMENT_STEPS):
        points = one.points[:PROBES] @ transform.T
        _, nearest = other.tree.query(points)
        turn, _ = Rotation.align_vectors(other.points[nearest], points)
        transform = turn.as_matrix() @ transform
        found = _error(one, other, transform)
        if found.error_m >= 0.99 * best.error_m:
            break
        best = found
    back = _error(other, one, best.transform.T)
    return Alignment(best.transform, max(best.error_m, back.error_m))
