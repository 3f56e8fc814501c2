"""Where objects are with respect to each other without touching: in, over, near, beside."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.geometry.containment import Containment
from iscene_ros.geometry.gaps import Gap
from iscene_ros.geometry.overlaps import Overhang
from iscene_ros.geometry.scene_geometry import SceneGeometry
from iscene_ros.relations.candidates import EdgeCandidate
from iscene_ros.relations.support import FARTHEST, LEAST_ENCLOSED, is_known

# Beside each other: the centres are further apart than this share of the smaller one's width.
BESIDE_SHARE = 0.5

# What rests on an object less likely than this is in its way only where it lies over it.
LEAST_CARRIED = 0.2

CAMERA_FRAME = "camera"


def inside_candidates(
    geometry: SceneGeometry, hollows: Containment, carried: np.ndarray
) -> list[EdgeCandidate]:
    """Objects of which a part lies in another one's hollow; `carried` as of `carrying`."""
    found = []
    for one, other in hollows.box_pairs():
        share, back = hollows.share(one, other), hollows.share(other, one)
        if share < LEAST_ENCLOSED or share <= back:
            continue
        body, around = geometry.bodies[one], geometry.bodies[other]
        rise = (body.center_of_mass[2] - around.low[2]) / max(around.size[2], 1e-6)
        rests = float(carried[one, other]), float(carried[other, one])
        features = (share, back, float(np.clip(rise, -1.0, 2.0)), *rests)
        found.append(
            EdgeCandidate(
                one,
                Predicate.INSIDE,
                other,
                features,
                RelationEvidence(share=share),
                is_known(geometry, one, other),
            )
        )
    return found


def blocking_candidates(
    geometry: SceneGeometry, over: list[Overhang], hollows: Containment, carried: np.ndarray
) -> list[EdgeCandidate]:
    """What stands in the way when an object is lifted straight up: over it, in it, or on it.

    Args:
        geometry: of the scene.
        over: what lies over what.
        hollows: what lies in what.
        carried: what rests on what, as of `carrying`.
    """
    found = []
    held = {pair: hollows.share(*pair) for pair in hollows.box_pairs()}
    held = {p: s for p, s in held.items() if s >= LEAST_ENCLOSED and s > held[p[::-1]]}
    by_pair = {(hang.upper, hang.lower): hang for hang in over}
    resting = {(int(i), int(j)) for i, j in np.argwhere(carried >= LEAST_CARRIED)}
    for pair in sorted(by_pair.keys() | held.keys() | resting):
        hang, upper, lower = by_pair.get(pair), *pair
        evidence = RelationEvidence(share=held.get(pair))
        above = (0.0, 0.0, 0.0)
        if hang is not None:
            evidence = RelationEvidence(
                gap_m=max(hang.gap, 0.0), area_m2=hang.area, share=hang.share
            )
            above = (
                float(np.clip(hang.reach / (hang.sigma + geometry.spacing), 0.0, FARTHEST)),
                min(hang.share, 1.0),
                float(np.clip(max(-hang.gap, 0.0) / hang.sigma, 0.0, FARTHEST)),
            )
        features = (*above, float(upper == geometry.environment), held.get(pair, 0.0))
        features += (held.get(pair[::-1], 0.0), *_resting(geometry, carried, upper, lower))
        known = is_known(geometry, upper, lower)
        found.append(
            EdgeCandidate(upper, Predicate.BLOCKS_FROM_ABOVE, lower, features, evidence, known)
        )
    return found


def above_candidates(
    geometry: SceneGeometry,
    over: list[Overhang],
    touching: list[tuple[EdgeCandidate, float]],
    carried: np.ndarray,
) -> list[EdgeCandidate]:
    """Objects that lie over another one, perhaps without touching it.

    Args:
        geometry: of the scene.
        over: what lies over what.
        touching: candidates for contact and their probabilities.
        carried: what rests on what, as of `carrying`.
    """
    contact = {frozenset((c.subject, c.object)): p for c, p in touching}
    found = []
    for hang in over:
        if geometry.environment in (hang.upper, hang.lower):
            continue
        features = (
            float(np.clip(hang.reach / (hang.sigma + geometry.spacing), 0.0, FARTHEST)),
            min(hang.share, 1.0),
            float(np.clip(hang.gap / hang.sigma, -FARTHEST, FARTHEST)),
            contact.get(frozenset((hang.upper, hang.lower)), 0.0),
            float(carried[hang.upper, hang.lower]),
        )
        evidence = RelationEvidence(gap_m=max(0.0, hang.gap), area_m2=hang.area)
        known = is_known(geometry, hang.lower, hang.upper)
        found.append(
            EdgeCandidate(hang.upper, Predicate.ABOVE, hang.lower, features, evidence, known)
        )
    return found


def _resting(
    geometry: SceneGeometry, carried: np.ndarray, upper: int, lower: int
) -> tuple[float, float]:
    """How likely the upper one rests on the lower one, and the other way round."""
    if geometry.environment in (upper, lower):
        return 0.0, 0.0
    return float(carried[upper, lower]), float(carried[lower, upper])


def near_candidates(geometry: SceneGeometry, gaps: list[Gap]) -> list[EdgeCandidate]:
    """Objects with a small gap between them; each pair once."""
    found = []
    for gap in gaps:
        sigma = float(np.hypot(geometry.sigmas[gap.one], geometry.sigmas[gap.other]))
        room = (gap.limit - gap.length) / (sigma + 0.5 * geometry.spacing)
        evidence = RelationEvidence(
            gap_m=gap.length, contact_point=tuple(float(v) for v in gap.point)
        )
        known = is_known(geometry, gap.one, gap.other)
        features = (float(np.clip(room, -FARTHEST, FARTHEST)),)
        found.append(EdgeCandidate(gap.one, Predicate.NEAR, gap.other, features, evidence, known))
    return found


def beside_candidates(
    geometry: SceneGeometry, pairs: list[tuple[int, int]], view: np.ndarray
) -> list[EdgeCandidate]:
    """left_of and in_front_of of near pairs, as the camera sees them.

    Args:
        geometry: of the scene.
        pairs: of objects that are near each other.
        view: (2, 3) horizontal unit directions to the camera's right and away from it.
    """
    found = []
    predicates = (Predicate.LEFT_OF, Predicate.IN_FRONT_OF)
    ranges = [body.vertices @ view.T for body in geometry.bodies]
    low = [r.min(axis=0) for r in ranges]
    high = [r.max(axis=0) for r in ranges]
    for pair in pairs:
        centers = [0.5 * (low[b] + high[b]) for b in pair]
        apart = centers[1] - centers[0]
        width = np.minimum(*(high[b] - low[b] for b in pair))
        sigma = float(np.hypot(*geometry.sigmas[list(pair)])) + 0.05 * width
        clear = (np.abs(apart) - BESIDE_SHARE * width) / np.maximum(sigma, 1e-9)
        known = is_known(geometry, *pair)
        for axis, predicate in enumerate(predicates):
            if clear[axis] < -FARTHEST:
                continue
            one, other = pair if apart[axis] > 0 else pair[::-1]
            features = (float(np.clip(clear[axis], -FARTHEST, FARTHEST)),)
            evidence = RelationEvidence(gap_m=float(abs(apart[axis])), frame=CAMERA_FRAME)
            found.append(EdgeCandidate(one, predicate, other, features, evidence, known))
    return found


def view_directions(upright_from_camera: np.ndarray) -> np.ndarray:
    """(2, 3) horizontal unit directions to the camera's right and away from it.

    A camera that looks straight down sees "away" at the upper border of its image.
    """
    right = upright_from_camera[:3, 0] * (1.0, 1.0, 0.0)
    if np.linalg.norm(right) < 1e-6:
        right = np.array([1.0, 0.0, 0.0])
    right /= np.linalg.norm(right)
    away = np.cross([0.0, 0.0, 1.0], right)
    return np.stack([right, away])
