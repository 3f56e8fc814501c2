"""What rests on what, what only leans, and what touches."""

from __future__ import annotations

import numpy as np

from iscene_ros.core.predicate import Predicate
from iscene_ros.core.scene import RelationEvidence
from iscene_ros.geometry.contacts import Patch
from iscene_ros.geometry.scene_geometry import SceneGeometry
from iscene_ros.relations.consistency import (
    supported_without_cycles,
    touching_with_support,
)
from iscene_ros.relations.rule import (
    LIKELY,
    MAX_SIGMAS,
    Edge,
    Measurements,
    Rule,
    in_sigmas,
    strongest_by_pair,
)

# How far a centre of mass lies off its support is measured in this share of the object's size and
# counts up to so many of these units.
TIPPING_SHARE = 0.02
MAX_TIPPING = 4.0

# An object whose centre of mass lies further within its support, in these units, leans on nothing.
STEADY = 1.5

# Standard deviations up to which a supporter is looked for below a completed object that nothing
# is close to; what hovers higher may be held.
LAST_RESORT_SIGMAS = 30.0

# A cavity does not hold an object of which a smaller share lies in it.
MIN_CONTAINED = 0.1


def supported_candidates(measurements: Measurements) -> list[Edge]:
    """Find possible supporters: bodies below an object, or around one whose bottom is hidden."""
    geometry = measurements.geometry
    patches = {(p.upper, p.lower): p for p in geometry.bearing if p.upper < len(geometry.bodies)}
    closest: dict[int, float] = {}
    for (upper, _), patch in patches.items():
        closest[upper] = min(closest.get(upper, np.inf), patch.gap)
    facing = _facing_shares(geometry)
    contained = measurements.containment
    pairs = set(patches) | {pair for pair, share in contained.items() if share > MIN_CONTAINED}
    pairs |= _last_resorts(geometry, {upper for upper, _ in pairs}, facing)
    found = []
    for upper, lower in sorted(pairs):
        patch = patches.get((upper, lower))
        features = (
            *_contact_features(geometry, upper, lower, patch, closest, facing),
            contained.get((upper, lower), 0.0),
            max((share for (c, _), share in contained.items() if c == upper), default=0.0),
        )
        evidence = None if patch is None else _contact_evidence(patch, upper)
        found.append(
            measurements.candidate(upper, Predicate.SUPPORTED_BY, lower, features, evidence)
        )
    return found


def leaning_candidates(measurements: Measurements) -> list[Edge]:
    """Find sideways contacts of objects whose centre of mass is not over what supports them."""
    geometry = measurements.geometry
    supported = [e for e in measurements.of(Predicate.SUPPORTED_BY) if e.probability >= LIKELY]
    contacts = geometry.support_points((edge.subject, edge.object) for edge in supported)
    sides = [
        (body, other, patch)
        for patch in geometry.sideways
        for body, other in ((patch.lower, patch.upper), (patch.upper, patch.lower))
        if body != geometry.environment
    ]
    closest: dict[int, float] = {}
    for body, _, patch in sides:
        closest[body] = min(closest.get(body, np.inf), patch.gap)
    found = []
    for body, other, patch in sides:
        center = geometry.bodies[body].center_of_mass[:2]
        points = contacts.get(body, np.zeros((0, 2)))
        margin = geometry.support_margin(body, points)
        middle = points.mean(axis=0) if len(points) else center
        scale = patch.sigma + TIPPING_SHARE * float(np.linalg.norm(geometry.bodies[body].size))
        if margin > STEADY * scale:
            continue
        normal = (patch.normal if body == patch.upper else -patch.normal)[:2]
        # A push toward the support holds what would tip away from it.
        lever = np.linalg.norm(middle - center) * np.linalg.norm(normal)
        holds = float(normal @ (middle - center) / lever) if margin < 0 and lever > 0 else 0.0
        features = (
            max(in_sigmas(patch.gap, patch.sigma), 0.0),
            max(in_sigmas(-patch.gap, patch.sigma), 0.0),
            max(in_sigmas(patch.gap - closest[body], patch.sigma), 0.0),
            float(np.clip(-margin / scale, 0.0, MAX_TIPPING)),
            float(np.clip(margin / scale, 0.0, MAX_TIPPING)),
            holds,
            float(other == geometry.environment),
        )
        evidence = _contact_evidence(patch, body)
        found.append(measurements.candidate(body, Predicate.LEANING_ON, other, features, evidence))
    return found


def touching_candidates(measurements: Measurements) -> list[Edge]:
    """Find contacts of any direction; each pair once, the environment second."""
    geometry = measurements.geometry
    supported = strongest_by_pair(measurements.of(Predicate.SUPPORTED_BY))
    closest: dict[frozenset[int], Patch] = {}
    for patch in (*geometry.bearing, *geometry.sideways):
        pair = frozenset((patch.lower, patch.upper))
        if pair not in closest or patch.gap < closest[pair].gap:
            closest[pair] = patch
    found = []
    for pair in sorted(closest.keys() | supported.keys(), key=sorted):
        one, other = sorted(pair)
        patch = closest.get(pair)
        gap = MAX_SIGMAS if patch is None else in_sigmas(patch.gap, patch.sigma)
        features = (
            max(gap, 0.0),
            max(-gap, 0.0),
            supported.get(pair, 0.0),
            0.0 if patch is None else patch.share,
            float(other == geometry.environment),
        )
        evidence = None if patch is None else _contact_evidence(patch, one)
        found.append(measurements.candidate(one, Predicate.TOUCHING, other, features, evidence))
    return found


def _contact_features(
    geometry: SceneGeometry,
    upper: int,
    lower: int,
    patch: Patch | None,
    closest: dict[int, float],
    facing: dict[tuple[int, int], float],
) -> tuple[float, ...]:
    facing_share = facing.get((upper, lower), 0.0)
    is_environment = float(lower == geometry.environment)
    height = 1.0
    if lower != geometry.environment:
        body, other = geometry.bodies[upper], geometry.bodies[lower]
        unit = max(min(body.size[2], other.size[2]), 1e-6)
        height = float(np.clip((body.low[2] - other.low[2]) / unit, -1.0, 1.0))
    if patch is None:
        # Without a patch of anything the gap is only too large, not larger than another one.
        excess = MAX_SIGMAS if upper in closest else 0.0
        return 0.0, MAX_SIGMAS, 0.0, excess, facing_share, height, is_environment, 1.0
    gap = in_sigmas(patch.gap, patch.sigma)
    excess = max(in_sigmas(patch.gap - closest[upper], patch.sigma), 0.0)
    steepness = 1.0 - float(patch.normal[2])
    lengths = max(gap, 0.0), max(-gap, 0.0), excess
    return steepness, *lengths, facing_share, height, is_environment, 0.0


def _contact_evidence(patch: Patch, subject: int) -> RelationEvidence:
    """Return the evidence of a contact, its normal pointing to the edge's subject."""
    normal = patch.normal if subject == patch.upper else -patch.normal
    return RelationEvidence(
        gap_m=max(0.0, patch.gap),
        penetration_m=max(0.0, -patch.gap),
        area_m2=patch.area,
        contact_point=tuple(float(v) for v in patch.point),
        normal=tuple(float(v) for v in normal),
    )


def _last_resorts(
    geometry: SceneGeometry, carried: set[int], facing: dict[tuple[int, int], float]
) -> set[tuple[int, int]]:
    """Pair completed objects that nothing is close to with what most of their outline faces."""
    f = geometry.facings[2]
    reach = LAST_RESORT_SIGMAS * np.hypot(geometry.sigmas[f.lower], geometry.sigmas[f.upper])
    within = f.is_next & (f.gap >= 0) & (f.gap <= reach)
    pairs = set(zip(f.upper[within].tolist(), f.lower[within].tolist(), strict=True))
    best: dict[int, tuple[float, int]] = {}
    for upper, lower in pairs:
        if upper not in carried and not geometry.is_exact(upper):
            best[upper] = max(best.get(upper, (0.0, -1)), (facing[upper, lower], lower))
    return {(upper, lower) for upper, (_, lower) in best.items()}


def _facing_shares(geometry: SceneGeometry) -> dict[tuple[int, int], float]:
    """Return the share of an object's outline next below which the other one lies."""
    f = geometry.facings[2]
    code = f.upper[f.is_next] * len(geometry.sigmas) + f.lower[f.is_next]
    pairs, counts = np.unique(code, return_counts=True)
    uppers, lowers = divmod(pairs, len(geometry.sigmas))
    return {
        (int(u), int(w)): min(count / max(int(geometry.footprints[u]), 1), 1.0)
        for u, w, count in zip(uppers, lowers, counts, strict=True)
    }


CONTACT_RULES = (
    Rule(
        Predicate.SUPPORTED_BY,
        (
            "steepness of the contact",
            "gap [sigma]",
            "overlap [sigma]",
            "gap beyond the best supporter's [sigma]",
            "share of the outline that faces it",
            "height of its bottom over the other's, relative",
            "is the environment",
            "no patch found",
            "share of its volume in the other's cavity",
            "share of its volume in any cavity",
        ),
        supported_candidates,
        supported_without_cycles,
    ),
    Rule(
        Predicate.LEANING_ON,
        (
            "gap [sigma]",
            "overlap [sigma]",
            "gap beyond the closest contact's [sigma]",
            "centre of mass outside of the support, relative",
            "centre of mass inside of the support, relative",
            "how much the contact pushes back to the support",
            "is the environment",
        ),
        leaning_candidates,
    ),
    Rule(
        Predicate.TOUCHING,
        (
            "gap [sigma]",
            "overlap [sigma]",
            "probability of support",
            "share of the faces that are close",
            "is the environment",
        ),
        touching_candidates,
        touching_with_support,
        needs_gravity=False,
    ),
)
